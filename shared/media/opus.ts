// Opus: what a packet's first byte says (RFC 6716 §3.1) and the configuration that MP4 and FLV carry.
import { ByteReader, ByteWriter, MalformedError } from './bytes.ts';
import type { AudioConfig } from './frame.ts';

/** Opus always decodes at 48 kHz, whatever was captured (RFC 7587 §4.1 uses it as the RTP clock). */
export const OPUS_SAMPLE_RATE = 48_000;
/** A packet never holds more than 120 ms (RFC 6716 §3.2.5). */
const MAX_PACKET_US = 120_000;

const SILK_FRAME_US = [10_000, 20_000, 40_000, 60_000] as const;
const HYBRID_FRAME_US = [10_000, 20_000] as const;
const CELT_FRAME_US = [2_500, 5_000, 10_000, 20_000] as const;

export interface OpusPacketInfo {
  /** Of the whole packet, in µs. */
  readonly durationUs: number;
  readonly channels: 1 | 2;
  /** How many coded frames the packet holds. */
  readonly frames: number;
}

/** Reads the TOC byte of a packet. Throws MalformedError. */
export function opusPacketInfo(packet: Uint8Array): OpusPacketInfo {
  const toc = packet[0];
  if (toc === undefined) throw new MalformedError('an empty Opus packet');
  const frameUs = frameDurationUs(toc >> 3);
  let frames = 1;
  if ((toc & 3) === 1 || (toc & 3) === 2) frames = 2;
  if ((toc & 3) === 3) frames = (packet[1] ?? 0) & 0x3f;
  const durationUs = frames * frameUs;
  if (frames === 0 || durationUs > MAX_PACKET_US)
    throw new MalformedError('an Opus packet of no valid length');
  return { durationUs, channels: (toc & 4) === 0 ? 1 : 2, frames };
}

/**
 * Makes the configuration of an Opus stream of one or two channels. `preSkip` is how many samples at
 * 48 kHz a decoder drops at the start; 0 for a stream joined live, where nothing is priming.
 */
export function opusConfig(channels: number, preSkip = 0): AudioConfig {
  // "Encapsulation of Opus in ISO BMFF" §4.3.2.
  const dOps = new ByteWriter(11)
    .u8(0) // Version
    .u8(channels) // OutputChannelCount
    .u16(preSkip) // PreSkip
    .u32(OPUS_SAMPLE_RATE) // InputSampleRate
    .u16(0) // OutputGain
    .u8(0); // ChannelMappingFamily
  return {
    codec: 'opus',
    codecString: 'opus',
    sampleRate: OPUS_SAMPLE_RATE,
    channels,
    description: new Uint8Array(dOps.finish()),
  };
}

/**
 * How a class's sound is announced as Opus: stereo, which a decoder makes of mono packets too (RFC 6716
 * §2.1.2), so that a microphone and music from a shared screen are one configuration.
 */
export const PROGRAMME_OPUS = opusConfig(2);

/** A packet of 20 ms that decodes to silence: CELT, fullband, stereo, nothing coded (RFC 6716 §3.1, §4.3). */
export const SILENT_OPUS = Uint8Array.of(0xfc, 0xff, 0xfe);
export const SILENT_OPUS_US = 20_000;

/** Reads the payload of `dOps`. Throws MalformedError. */
export function parseDops(dOps: Uint8Array): { channels: number; preSkip: number } {
  const reader = new ByteReader(dOps);
  if (reader.u8() !== 0) throw new MalformedError('unknown version of dOps');
  const channels = reader.u8();
  const preSkip = reader.u16();
  reader.skip(7);
  if (channels < 1 || channels > 8) throw new MalformedError('unsupported channel count');
  return { channels, preSkip };
}

/** The identification header (RFC 7845 §5.1) of a configuration, as enhanced FLV carries it. */
export function opusHead(config: AudioConfig): Uint8Array<ArrayBuffer> {
  const { channels, preSkip } = parseDops(config.description);
  const head = new Uint8Array(19);
  head.set(new TextEncoder().encode('OpusHead'));
  const view = new DataView(head.buffer);
  view.setUint8(8, 1);
  view.setUint8(9, channels);
  view.setUint16(10, preSkip, true);
  view.setUint32(12, OPUS_SAMPLE_RATE, true);
  return head;
}

/** Reads an identification header (RFC 7845 §5.1) of one or two channels. Throws MalformedError. */
export function parseOpusHead(head: Uint8Array): AudioConfig {
  const reader = new ByteReader(head);
  if (reader.latin1(8) !== 'OpusHead') throw new MalformedError('no OpusHead');
  reader.skip(1);
  const channels = reader.u8();
  const preSkip = reader.u8() + 256 * reader.u8();
  if (channels < 1 || channels > 2) throw new MalformedError('unsupported channel count');
  return opusConfig(channels, preSkip);
}

/** RFC 6716 table 2. */
function frameDurationUs(config: number): number {
  if (config < 12) return SILK_FRAME_US[(config & 3) as 0 | 1 | 2 | 3];
  if (config < 16) return HYBRID_FRAME_US[(config & 1) as 0 | 1];
  return CELT_FRAME_US[(config & 3) as 0 | 1 | 2 | 3];
}
