// MediaStreamTrackProcessor (W3C mediacapture-transform), which the DOM's types do not know yet.

interface TrackProcessor<T> {
  readonly readable: ReadableStream<T>;
}

type TrackProcessorClass = new (init: { track: MediaStreamTrack }) => TrackProcessor<VideoFrame | AudioData>;

const found = (globalThis as { MediaStreamTrackProcessor?: TrackProcessorClass }).MediaStreamTrackProcessor;

/** Chromium has it in the page. Others have it for pictures alone, in workers alone, or not at all. */
export const hasTrackProcessor = found !== undefined;

/** What a track delivers, as a stream that can be transferred. */
export function framesOf<T extends VideoFrame | AudioData>(track: MediaStreamTrack): ReadableStream<T> {
  if (found === undefined) throw new Error('no MediaStreamTrackProcessor');
  return new found({ track }).readable as ReadableStream<T>;
}
