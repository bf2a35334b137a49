// Frames of what a demuxer read, as tests feed them to outputs.
import { parseAudioSpecificConfig } from '#shared/media/aac.ts';
import type { FlvAudio } from '#shared/media/flv.ts';
import type { AudioConfig, AudioFrame } from '#shared/media/frame.ts';
import { opusPacketInfo } from '#shared/media/opus.ts';

/** Makes a frame of a body that `parseAudioBody` read. Throws MalformedError for a bad Opus packet. */
export function audioFrameFromBody(
  body: Extract<FlvAudio, { type: 'frame' }>,
  config: AudioConfig,
  ptsUs: number,
): AudioFrame {
  const lengthUs = () => {
    if (config.codec !== 'aac') return opusPacketInfo(body.data).durationUs;
    const { frameSamples, coreRate } = parseAudioSpecificConfig(config.description);
    return (frameSamples * 1_000_000) / coreRate;
  };
  return { kind: 'audio', ptsUs, durationUs: lengthUs(), data: body.data, config };
}
