// Lengths on a broadcast's timeline that the channel and its sinks agree on, in µs.
import { EARLY_MS } from '#shared/media/clock.ts';

/** A picture without a next one for this long shows nothing any more: a still screen repeats its own every second. */
export const QUIET_US = 1_250_000;
/** A hole in the sound above this is filled: a sender that lost samples makes none that is smaller. */
export const AUDIO_HOLE_US = EARLY_MS * 1_000;
/** How often key frames are asked for as long as none comes: a request may get lost. */
export const ASK_EVERY_US = 1_000_000;
/** Two video frames are at least this far apart: FLV counts in ms. */
export const MIN_STEP_US = 1_000;
