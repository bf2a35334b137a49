// Adds the decoded sound of several sources into one, each sample at its place on the broadcast's
// timeline. Positions are in samples at 48 kHz. Pure: time comes in with each call.

export const SAMPLE_RATE = 48_000;
/** A broadcast's sound is mono or stereo from its first packet to its end. */
export type ChannelCount = 1 | 2;
export const BLOCK_SAMPLES = 1_024;
const MS = SAMPLE_RATE / 1_000;

/** How much sound may lie ahead of what was taken. A power of two, for the ring. */
const RING_SAMPLES = 2 ** 17;
/** A packet this near to the end of the one before follows it without a seam: the rest is jitter. */
export const SNAP_SAMPLES = 20 * MS;
/** Drift is corrected from the first mark on, down to the second, by this many samples per packet. */
const DRIFT_START_SAMPLES = 2 * MS;
const DRIFT_STOP_SAMPLES = MS / 2;
const DRIFT_STEP_SAMPLES = 4;
/** Weight of a new measurement of the drift. */
const DRIFT_WEIGHT = 0.05;
/** What begins after a gap fades in over this, so that it does not click. */
const FADE_SAMPLES = MS;
/** A source that is late is waited for while another has sound, and while none has. */
const WAIT_OTHERS_SAMPLES = 120 * MS;
const WAIT_ALONE_SAMPLES = 240 * MS;

interface Source {
  /** Where its next packet should begin. */
  end: number;
  /** How far packets come from that on average, and whether it is being corrected. */
  drift: number;
  correcting: boolean;
}

export class TimelineMixer {
  readonly #channels: ChannelCount;
  /** Interleaved. */
  readonly #ring: Float32Array;
  readonly #sources = new Map<string, Source>();
  /** The position that is taken next; undefined before the first sound. */
  #next: number | undefined;

  constructor(channels: ChannelCount = 2) {
    this.#channels = channels;
    this.#ring = new Float32Array(RING_SAMPLES * channels);
  }

  /**
   * Adds a packet's samples at `position`. `left` and `right` hold `count` samples each and may be the
   * same; a mono mixer takes `left`. What comes too late for its place is left out.
   */
  add(id: string, position: number, left: Float32Array, right: Float32Array, count: number): void {
    const start = Math.round(position);
    const source = this.#sources.get(id);
    if (source === undefined) {
      this.#sources.set(id, { end: start + count, drift: 0, correcting: false });
      this.#write(start, left, right, 0, count, count, true);
      return;
    }
    const error = start - source.end;
    if (Math.abs(error) >= SNAP_SAMPLES) {
      source.drift = 0;
      source.correcting = false;
      // Its own sound is there already up to `end`: only what goes beyond is new.
      const skip = Math.max(0, -error);
      if (skip < count) this.#write(start + skip, left, right, skip, count, count - skip, true);
      source.end = Math.max(source.end, start + count);
      return;
    }
    source.drift += (error - source.drift) * DRIFT_WEIGHT;
    const distance = Math.abs(source.drift);
    if (distance > DRIFT_START_SAMPLES) source.correcting = true;
    if (distance < DRIFT_STOP_SAMPLES) source.correcting = false;
    const step = source.correcting ? Math.sign(source.drift) * DRIFT_STEP_SAMPLES : 0;
    const length = Math.max(1, count + step);
    this.#write(source.end, left, right, 0, count, length, false);
    source.end += length;
    source.drift -= step;
  }

  /** True if what is at `position` is so far ahead of what was taken that room for more runs out. */
  isCrowded(position: number): boolean {
    return this.#next !== undefined && position - this.#next > RING_SAMPLES / 2;
  }

  /** Nothing more comes from this source. */
  remove(id: string): void {
    this.#sources.delete(id);
  }

  /**
   * Takes the next block into `out` (interleaved, BLOCK_SAMPLES for each channel) if it is due: every source has
   * sound up to its end, or it is overdue at `now`; gaps are silence. `now` is undefined while the
   * timeline stands still. Returns the position of the block, or undefined if none is due.
   */
  take(now: number | undefined, out: Float32Array): number | undefined {
    const position = this.#next;
    if (position === undefined || !this.#due(position + BLOCK_SAMPLES, now)) return undefined;
    const from = (modulo(position, RING_SAMPLES) * this.#channels) >>> 0;
    const size = BLOCK_SAMPLES * this.#channels;
    const first = Math.min(size, this.#ring.length - from);
    out.set(this.#ring.subarray(from, from + first));
    this.#ring.fill(0, from, from + first);
    if (first < size) {
      out.set(this.#ring.subarray(0, size - first), first);
      this.#ring.fill(0, 0, size - first);
    }
    for (let i = 0; i < size; i += 1) {
      const sample = out[i] ?? 0;
      if (sample > 1) out[i] = 1;
      else if (sample < -1) out[i] = -1;
    }
    this.#next = position + BLOCK_SAMPLES;
    return position;
  }

  #due(end: number, now: number | undefined): boolean {
    let complete = this.#sources.size > 0;
    let some = false;
    for (const source of this.#sources.values()) {
      if (source.end >= end) some = true;
      else complete = false;
    }
    if (complete) return true;
    return now !== undefined && now - end >= (some ? WAIT_OTHERS_SAMPLES : WAIT_ALONE_SAMPLES);
  }

  /**
   * Adds `length` samples at `position`, made of the `count - skip` that begin at `skip`; a length that
   * is a little off is reached by interpolation.
   */
  #write(
    position: number,
    left: Float32Array,
    right: Float32Array,
    skip: number,
    count: number,
    length: number,
    fade: boolean,
  ): void {
    this.#next ??= position;
    // A source far ahead of a timeline that nobody takes from: leave out what there is no room for.
    if (position + length - this.#next > RING_SAMPLES) {
      this.#ring.fill(0);
      this.#next = position;
    }
    const late = Math.max(0, this.#next - position);
    const available = count - skip;
    const scale = length > 1 && length !== available ? (available - 1) / (length - 1) : 1;
    const ring = this.#ring;
    const channels = this.#channels;
    let at = modulo(position + late, RING_SAMPLES) * channels;
    for (let i = late; i < length; i += 1) {
      const gain = fade && i < FADE_SAMPLES ? i / FADE_SAMPLES : 1;
      const exact = skip + i * scale;
      const index = Math.min(Math.floor(exact), count - 1);
      const part = scale === 1 ? 0 : exact - index;
      const after = Math.min(index + 1, count - 1);
      const l = (left[index] ?? 0) * (1 - part) + (left[after] ?? 0) * part;
      ring[at] = (ring[at] ?? 0) + l * gain;
      if (channels === 2) {
        const r = (right[index] ?? 0) * (1 - part) + (right[after] ?? 0) * part;
        ring[at + 1] = (ring[at + 1] ?? 0) + r * gain;
      }
      at += channels;
      if (at === ring.length) at = 0;
    }
  }
}

function modulo(value: number, range: number): number {
  return ((value % range) + range) % range;
}
