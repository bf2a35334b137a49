// AAC: its configuration. ISO/IEC 14496-3 §1.6.
import { BitReader, MalformedError } from './bytes.ts';
import type { AudioConfig } from './frame.ts';

/** Samples per channel in one AAC-LC access unit. */
export const AAC_FRAME_SAMPLES = 1024;

/** Table 1.18: samplingFrequencyIndex. */
const SAMPLE_RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];
const EXPLICIT_RATE = 15;
/** Table 4.82: from which rate on the tables of an index are used. */
const CODED_FROM = [92_017, 75_132, 55_426, 46_009, 37_566, 27_713, 23_004, 18_783, 13_856, 11_502, 9_391, 0];
/** Object type 5 (SBR) and 29 (parametric stereo) wrap the type that is really coded. */
const SBR = 5;
const PS = 29;
/** What decoders know of. */
const MAX_CHANNELS = 24;

/** Object types of which the configuration ends with a GASpecificConfig, or (ELD) begins with the same flag. */
const GENERAL: ReadonlySet<number> = new Set([1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23]);
const LOW_DELAY: ReadonlySet<number> = new Set([23, 39]);
const ENHANCED_LOW_DELAY = 39;
/** Table 1.19: what a channelConfiguration stands for. */
const CHANNELS: ReadonlyMap<number, number> = new Map([
  [1, 1],
  [2, 2],
  [3, 3],
  [4, 4],
  [5, 5],
  [6, 6],
  [7, 8],
  [11, 7],
  [12, 8],
  [14, 8],
]);

/** What is said of an AAC stream. */
export interface AacInfo {
  /** 2 is AAC-LC. */
  readonly objectType: number;
  readonly sampleRate: number;
  readonly channels: number;
}

/** What an AudioSpecificConfig says. */
export interface AacDetails extends AacInfo {
  /** Of what is coded: HE-AAC is extended to twice this rate. */
  readonly coreRate: number;
  /** Samples per channel in one access unit, at `coreRate`. */
  readonly frameSamples: number;
}

/** Makes an AudioSpecificConfig (§1.6.2.1). `channels` 1 to 6, or 8; throws RangeError otherwise. */
export function buildAudioSpecificConfig(
  sampleRate: number,
  channels: number,
  objectType = 2,
): Uint8Array<ArrayBuffer> {
  const channelConfiguration = channels === 8 ? 7 : channels;
  if (channelConfiguration < 1 || channelConfiguration > 7) throw new RangeError('unsupported channel count');
  const index = SAMPLE_RATES.indexOf(sampleRate);
  const tail = channelConfiguration << 3;
  if (index >= 0) {
    return Uint8Array.of((objectType << 3) | (index >> 1), ((index & 1) << 7) | tail);
  }
  const high = (objectType << 3) | (EXPLICIT_RATE >> 1);
  return Uint8Array.of(
    high,
    0x80 | (sampleRate >> 17),
    (sampleRate >> 9) & 0xff,
    (sampleRate >> 1) & 0xff,
    ((sampleRate & 1) << 7) | tail,
  );
}

/** Reads an AudioSpecificConfig (§1.6.2.1). Throws MalformedError. */
export function parseAudioSpecificConfig(asc: Uint8Array): AacDetails {
  const bits = new BitReader(asc);
  const readType = () => {
    const type = bits.bits(5);
    return type === 31 ? 32 + bits.bits(6) : type;
  };
  const readRate = () => {
    const index = bits.bits(4);
    const rate = index === EXPLICIT_RATE ? bits.bits(24) : SAMPLE_RATES[index];
    if (!rate) throw new MalformedError('unknown sample rate');
    return rate;
  };
  let objectType = readType();
  const coreRate = readRate();
  let sampleRate = coreRate;
  const configuration = bits.bits(4);
  if (objectType === SBR || objectType === PS) {
    sampleRate = readRate();
    objectType = readType();
  }
  if (objectType === 0) throw new MalformedError('no audio object type');
  const isShort = readsFlag(objectType, configuration) && bits.bit() === 1;
  const usual = LOW_DELAY.has(objectType) ? AAC_FRAME_SAMPLES / 2 : AAC_FRAME_SAMPLES;
  const channels = configuration === 0 ? readProgram(bits, objectType) : CHANNELS.get(configuration);
  if (channels === undefined) throw new MalformedError('unsupported channel configuration');
  return { objectType, sampleRate, channels, coreRate, frameSamples: isShort ? (usual * 15) / 16 : usual };
}

/**
 * An AudioSpecificConfig for decoders that know the rates of the table alone: a rate that is written out becomes
 * the index by whose tables it is coded (§4.5.1.1, table 4.82). It is returned as it is if it has one already.
 */
export function withRateIndex(asc: Uint8Array): Uint8Array {
  const bits = Array.from(asc, (byte) => byte.toString(2).padStart(8, '0')).join('');
  const isExplicit = !bits.startsWith('11111') && bits.slice(5, 9) === '1111';
  if (!isExplicit || bits.length < 33) return asc;
  const rate = Number.parseInt(bits.slice(9, 33), 2);
  const index = CODED_FROM.findIndex((from) => rate >= from);
  const shorter = bits.slice(0, 5) + index.toString(2).padStart(4, '0') + bits.slice(33);
  const bytes = shorter.match(/.{1,8}/g) ?? [];
  return Uint8Array.from(bytes, (byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
}

/** True if the frames' length is said next. Short configurations, as some write them, end before. */
function readsFlag(objectType: number, configuration: number): boolean {
  const isSaid = GENERAL.has(objectType) || objectType === ENHANCED_LOW_DELAY;
  if (!isSaid && configuration === 0) throw new MalformedError('unsupported channel configuration');
  return isSaid;
}

/** The channels of a program_config_element, behind the rest of a GASpecificConfig (§4.4.1, table 4.2). */
function readProgram(bits: BitReader, objectType: number): number {
  if (!GENERAL.has(objectType)) throw new MalformedError('unsupported channel configuration');
  if (bits.bit() === 1) bits.skip(14); // coreCoderDelay
  bits.skip(1); // extensionFlag
  bits.skip(4 + 2 + 4); // tag, profile and rate, which were said before
  const pairs = [bits.bits(4), bits.bits(4), bits.bits(4)];
  const lowFrequency = bits.bits(2);
  bits.skip(3 + 4); // associated data, coupling channels
  if (bits.bit() === 1) bits.skip(4); // mono mixdown
  if (bits.bit() === 1) bits.skip(4); // stereo mixdown
  if (bits.bit() === 1) bits.skip(3); // matrix mixdown
  let channels = lowFrequency;
  for (let at = pairs.reduce((sum, count) => sum + count, 0); at > 0; at -= 1) {
    channels += 1 + bits.bit();
    bits.skip(4);
  }
  if (channels < 1 || channels > MAX_CHANNELS) throw new MalformedError('unsupported channel configuration');
  return channels;
}

/** Makes the configuration of an AAC-LC stream. */
export function aacConfig(sampleRate: number, channels: number): AudioConfig {
  return readAacConfig(buildAudioSpecificConfig(sampleRate, channels));
}

/** Makes the configuration of what an AudioSpecificConfig describes, which is copied. Throws MalformedError. */
export function readAacConfig(asc: Uint8Array): AudioConfig {
  const { objectType, sampleRate, channels } = parseAudioSpecificConfig(asc);
  const description = new Uint8Array(asc);
  return { codec: 'aac', codecString: `mp4a.40.${objectType}`, sampleRate, channels, description };
}
