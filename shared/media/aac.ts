// AAC: its configuration and the ADTS framing. ISO/IEC 14496-3 §1.6 and §1.A.2.
import { BitReader, MalformedError } from './bytes.ts';
import type { AudioConfig } from './frame.ts';

/** Samples per channel in one AAC-LC access unit. */
export const AAC_FRAME_SAMPLES = 1024;

/** Table 1.18: samplingFrequencyIndex. */
const SAMPLE_RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];
const EXPLICIT_RATE = 15;
/** Object type 5 (SBR) and 29 (parametric stereo) wrap the type that is really coded. */
const SBR = 5;
const PS = 29;

/** What an AudioSpecificConfig says. */
export interface AacInfo {
  /** 2 is AAC-LC. */
  readonly objectType: number;
  readonly sampleRate: number;
  readonly channels: number;
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

/** Reads an AudioSpecificConfig. Throws MalformedError. */
export function parseAudioSpecificConfig(asc: Uint8Array): AacInfo {
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
  let sampleRate = readRate();
  const configuration = bits.bits(4);
  if (objectType === SBR || objectType === PS) {
    sampleRate = readRate();
    objectType = readType();
  }
  if (objectType === 0) throw new MalformedError('no audio object type');
  if (configuration < 1 || configuration > 7) throw new MalformedError('unsupported channel configuration');
  return { objectType, sampleRate, channels: configuration === 7 ? 8 : configuration };
}

/** Makes the configuration of an AAC stream; `asc` if the source brought its own (it is copied). */
export function aacConfig(sampleRate: number, channels: number, asc?: Uint8Array): AudioConfig {
  const description = asc ? new Uint8Array(asc) : buildAudioSpecificConfig(sampleRate, channels);
  const { objectType } = parseAudioSpecificConfig(description);
  return { codec: 'aac', codecString: `mp4a.40.${objectType}`, sampleRate, channels, description };
}

/** One frame of an ADTS stream. */
export interface AdtsFrame extends AacInfo {
  /** Header and payload together, in bytes. */
  readonly frameBytes: number;
  /** The raw access unit, a view. */
  readonly data: Uint8Array;
}

/**
 * Reads the ADTS frame at `offset` (§1.A.2.2). Returns null if more bytes are needed; throws
 * MalformedError if there is no frame there or it holds several raw blocks, which nobody sends.
 */
export function parseAdts(bytes: Uint8Array, offset = 0): AdtsFrame | null {
  const bits = new BitReader(bytes.subarray(offset, offset + 7));
  if (bits.bitsLeft < 56) return null;
  if (bits.bits(12) !== 0xfff) throw new MalformedError('no ADTS sync word');
  bits.skip(1); // MPEG-4 or MPEG-2
  if (bits.bits(2) !== 0) throw new MalformedError('not the ADTS layer');
  const headerBytes = bits.bit() === 1 ? 7 : 9;
  const objectType = bits.bits(2) + 1;
  const sampleRate = SAMPLE_RATES[bits.bits(4)];
  bits.skip(1);
  const configuration = bits.bits(3);
  bits.skip(4);
  const frameBytes = bits.bits(13);
  bits.skip(11);
  const blocks = bits.bits(2) + 1;
  if (!sampleRate || configuration === 0) throw new MalformedError('unsupported ADTS header');
  if (blocks !== 1) throw new MalformedError('several raw blocks in one ADTS frame');
  if (frameBytes < headerBytes) throw new MalformedError('ADTS frame too short');
  if (offset + frameBytes > bytes.length) return null;
  return {
    objectType,
    sampleRate,
    channels: configuration === 7 ? 8 : configuration,
    frameBytes,
    data: bytes.subarray(offset + headerBytes, offset + frameBytes),
  };
}

/** Reads every complete ADTS frame; `usedBytes` is where the first incomplete one starts. */
export function splitAdts(bytes: Uint8Array): { frames: AdtsFrame[]; usedBytes: number } {
  const frames: AdtsFrame[] = [];
  let usedBytes = 0;
  for (let frame = parseAdts(bytes); frame; frame = parseAdts(bytes, usedBytes)) {
    frames.push(frame);
    usedBytes += frame.frameBytes;
  }
  return { frames, usedBytes };
}
