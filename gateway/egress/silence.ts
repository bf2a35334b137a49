// Sound for when there is none, so that picture and sound always have the same rows.
import { AAC_FRAME_SAMPLES, aacConfig } from '#shared/media/aac.ts';
import { equalBytes } from '#shared/media/bytes.ts';
import type { AudioConfig, AudioFrame, SoundCodec } from '#shared/media/frame.ts';
import { PROGRAMME_OPUS, SILENT_OPUS, SILENT_OPUS_US } from '#shared/media/opus.ts';

/** As the first sound of each kind will most likely be, so that it changes nothing. */
export const SILENT_CONFIG: Readonly<Record<SoundCodec, AudioConfig>> = {
  aac: aacConfig(48_000, 1),
  opus: PROGRAMME_OPUS,
};

/** AAC-LC access units that decode to silence, by number of channels. */
const SILENT_AAC: Readonly<Record<number, Uint8Array>> = {
  1: Uint8Array.of(0x00, 0xc8, 0x00, 0x80, 0x23, 0x80),
  2: Uint8Array.of(0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80),
};

/**
 * Silent frames of `codec` from `fromUs` for as long as they fit before `untilUs`, as `config` says (one or
 * two channels; anything else, or nothing, gives 48 kHz, AAC in mono).
 */
export function silence(
  fromUs: number,
  untilUs: number,
  config: AudioConfig | undefined,
  codec: SoundCodec = config?.codec ?? 'aac',
): AudioFrame[] {
  const known = config?.codec === codec ? config : SILENT_CONFIG[codec];
  const usable = codec === 'opus' || SILENT_AAC[known.channels] !== undefined ? known : SILENT_CONFIG.aac;
  const data = codec === 'opus' ? SILENT_OPUS : SILENT_AAC[usable.channels];
  if (data === undefined) return [];
  const durationUs = codec === 'opus' ? SILENT_OPUS_US : (AAC_FRAME_SAMPLES * 1_000_000) / usable.sampleRate;
  const count = Math.floor((untilUs - fromUs) / durationUs + 0.01);
  return Array.from({ length: Math.max(0, count) }, (_, index) => ({
    kind: 'audio',
    ptsUs: fromUs + index * durationUs,
    durationUs,
    data,
    config: usable,
  }));
}

/** The configuration in use, if `config` says the same: another object alone is no change. */
export function knownConfig(known: AudioConfig | undefined, config: AudioConfig): AudioConfig {
  return known?.codec === config.codec && equalBytes(known.description, config.description) ? known : config;
}
