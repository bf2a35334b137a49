// How a mixer that heard one channel configures its sound.
import { aacConfig } from '#shared/media/aac.ts';
import type { AudioConfig, AudioCodec } from '#shared/media/frame.ts';
import { PROGRAMME_OPUS } from '#shared/media/opus.ts';

const MONO_AAC = aacConfig(48_000, 1);

export const soundConfig = (codec: AudioCodec): AudioConfig => (codec === 'aac' ? MONO_AAC : PROGRAMME_OPUS);
