// What the sound worker is told and tells, in batches. Bytes of a batch lie in one buffer, moved, not copied.
import type { AudioCodec } from '#shared/media/frame.ts';
import type { ChannelCount } from './mixer.ts';

/** Of one Opus packet that the worker makes: 20 ms at 48 kHz. */
export const OPUS_SAMPLES = 960;

/** One Opus packet: which source, where on the timeline in samples, where in the buffer. */
export interface PacketEntry {
  readonly source: string;
  readonly position: number;
  readonly offset: number;
  readonly length: number;
}

/** What happened to one mixer since the last batch. */
export interface MixerEntry {
  readonly mixer: number;
  readonly channels: ChannelCount;
  /** Where its timeline is, in samples; undefined while it stands still. */
  readonly now: number | undefined;
  readonly packets: readonly PacketEntry[];
  readonly removed: readonly string[];
  /** Whether the mix is wanted in AAC. */
  readonly aac: boolean;
  /** From where on it is wanted in Opus, in samples; undefined if it is not. */
  readonly opusFrom: number | undefined;
}

export interface Batch {
  /** Counts up; its answer carries the same. */
  readonly batch: number;
  readonly sentAtMs: number;
  readonly mixers: readonly MixerEntry[];
  readonly closed: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** One AAC access unit or Opus packet; `position` is that of its first decoded sample. */
export interface UnitEntry {
  readonly codec: AudioCodec;
  readonly mixer: number;
  readonly position: number;
  readonly offset: number;
  readonly length: number;
}

export interface Answer {
  readonly batch: number;
  readonly sentAtMs: number;
  readonly units: readonly UnitEntry[];
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Opus packets that could not be decoded. */
  readonly damaged: number;
}
