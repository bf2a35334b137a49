// Sound for when there is none, so that picture and sound always have the same rows.
import { AAC_FRAME_SAMPLES } from '#shared/media/aac.ts';
import { equalBytes } from '#shared/media/bytes.ts';
import type { AudioConfig, AudioFrame } from '#shared/media/frame.ts';
import { SILENT_OPUS, SILENT_OPUS_US } from '#shared/media/opus.ts';

/** AAC-LC access units that decode to silence, by number of channels. */
const SILENT_AAC: Readonly<Record<number, Uint8Array>> = {
  1: Uint8Array.of(0x00, 0xc8, 0x00, 0x80, 0x23, 0x80),
  2: Uint8Array.of(0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80),
};

/** Silent frames from `fromUs` for as long as they fit before `untilUs`, as `config` says: one channel or two. */
export function silence(fromUs: number, untilUs: number, config: AudioConfig): AudioFrame[] {
  const isOpus = config.codec === 'opus';
  const data = isOpus ? SILENT_OPUS : SILENT_AAC[config.channels];
  if (data === undefined) return [];
  const durationUs = isOpus ? SILENT_OPUS_US : (AAC_FRAME_SAMPLES * 1_000_000) / config.sampleRate;
  const count = Math.floor((untilUs - fromUs) / durationUs + 0.01);
  return Array.from({ length: Math.max(0, count) }, (_, index) => ({
    kind: 'audio',
    ptsUs: fromUs + index * durationUs,
    durationUs,
    data,
    config,
    isFiller: true,
  }));
}

/** The configuration in use, if `config` says the same: another object alone is no change. */
export function knownConfig(known: AudioConfig | undefined, config: AudioConfig): AudioConfig {
  return known?.codec === config.codec && equalBytes(known.description, config.description) ? known : config;
}
