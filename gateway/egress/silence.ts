// Sound for when there is none, so that picture and sound always have the same rows.
import { AAC_FRAME_SAMPLES, aacConfig } from '#shared/media/aac.ts';
import type { AudioConfig, AudioFrame } from '#shared/media/frame.ts';

/** As a browser's microphone will be, so that its first sound changes nothing. */
const DEFAULT = aacConfig(48_000, 1);

/** AAC-LC access units that decode to silence, by number of channels. */
const SILENT: Readonly<Record<number, Uint8Array>> = {
  1: Uint8Array.of(0x00, 0xc8, 0x00, 0x80, 0x23, 0x80),
  2: Uint8Array.of(0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80),
};

/**
 * Silent frames from `fromUs` for as long as they fit before `untilUs`, as `config` says (AAC, one or two
 * channels; anything else, or nothing, gives 48 kHz mono).
 */
export function silence(fromUs: number, untilUs: number, config: AudioConfig | undefined): AudioFrame[] {
  const usable = config?.codec === 'aac' && SILENT[config.channels] !== undefined ? config : DEFAULT;
  const data = SILENT[usable.channels];
  if (data === undefined) return [];
  const durationUs = (AAC_FRAME_SAMPLES * 1_000_000) / usable.sampleRate;
  const count = Math.floor((untilUs - fromUs) / durationUs + 0.01);
  return Array.from({ length: Math.max(0, count) }, (_, index) => ({
    kind: 'audio',
    ptsUs: fromUs + index * durationUs,
    durationUs,
    data,
    config: usable,
  }));
}
