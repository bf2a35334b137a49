// Small pictures of moments of what is recorded, for the seek bar. None is made ahead and none goes to the disk: the
// first who looks at a moment has its picture made, and with it those of the moments around it, for ffmpeg's start
// costs more than they do.
import type { Registry } from 'prom-client';
import { LecternError } from '#shared/contract/errors.ts';
import { LruMap } from '#shared/lru-map.ts';
import { Serial } from '#shared/serial.ts';
import { labelledCounter } from '#server/counters.ts';
import { TokenBuckets } from '#server/token-buckets.ts';
import { readKeyFrame, smallestOf, type RowSource } from './key-frame.ts';
import type { Row } from './segment-timeline.ts';

/** What is kept in memory, in bytes: those of some forty recordings. */
const KEPT_BYTES = 32 * 1024 * 1024;
/** What one takes beyond its JPEG. */
const ENTRY_BYTES = 200;
/** So many requests may wait; the next is refused. */
const MAX_WAITING = 200;
/** How often ffmpeg may be started for one address: for all of a recording a dozen times, for everybody together. */
const MAKING_RATE = { capacity: 40, perSecond: 1 };
/** Stands for one that there is not. */
const NONE = new Uint8Array(0);

/** A recording whose rows are looked at. */
export interface LookedAt extends RowSource {
  readonly recording: string;
}

export interface ThumbnailsOptions {
  /** Makes a JPEG of each key frame: fewer where some cannot be decoded, undefined where none can be made at present. */
  readonly make: (keyFrames: readonly Uint8Array[]) => Promise<readonly Uint8Array[] | undefined>;
  readonly registry: Registry;
}

export class Thumbnails {
  readonly #options: ThumbnailsOptions;
  readonly #kept = new LruMap<string, Uint8Array>(KEPT_BYTES, ({ length }) => length + ENTRY_BYTES);
  /** What is being made, by recording. */
  readonly #making = new Map<string, Promise<void>>();
  /** One ffmpeg at a time: classes that are on air need the machine. */
  readonly #turns = new Serial();
  readonly #rates = new TokenBuckets({ ...MAKING_RATE, now: () => performance.now() });
  readonly #counter;
  #waiting = 0;

  constructor(options: ThumbnailsOptions) {
    this.#options = options;
    this.#counter = labelledCounter({
      name: 'lectern_thumbnails_total',
      help: 'Small pictures of moments of recordings that were asked for the first time, by whether there is one.',
      labels: { outcome: ['made', 'none'] },
      registry: options.registry,
    });
  }

  /**
   * The JPEG of `row`; those of `around`, which holds it, are made with it. `address` is who asks. Throws LecternError
   * `not-found` where there is none, `rate-limited`, or `service-unavailable` if too many wait or none can be made at
   * present, and what the disk says.
   */
  async of(source: LookedAt, row: Row, around: () => readonly Row[], address: string): Promise<Uint8Array> {
    const known = this.#find(source, row);
    if (known !== undefined) return known;
    if (this.#waiting >= MAX_WAITING) throw new LecternError('service-unavailable');
    this.#waiting += 1;
    try {
      for (;;) {
        // Another may have had it made in the meantime.
        const made = this.#find(source, row);
        if (made !== undefined) return made;
        await (this.#making.get(source.recording) ?? this.#begin(source, around(), address));
      }
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Undefined if it is not known whether there is one. Throws LecternError `not-found`. */
  #find({ recording, timeline }: LookedAt, row: Row): Uint8Array | undefined {
    // What may not be played is not shown either, although it may be known from before.
    if (timeline.isAbsent(row.n) || smallestOf(row) === undefined) throw new LecternError('not-found');
    const known = this.#kept.get(keyOf(recording, row));
    if (known === NONE) throw new LecternError('not-found');
    return known;
  }

  /** Throws LecternError `rate-limited`. Rejects as {@link of} does, or with what the disk says. */
  #begin(source: LookedAt, around: readonly Row[], address: string): Promise<void> {
    if (this.#rates.take(address) > 0) throw new LecternError('rate-limited');
    const { recording, timeline } = source;
    const rows = around.filter(
      (row) =>
        !timeline.isAbsent(row.n) &&
        smallestOf(row) !== undefined &&
        this.#kept.get(keyOf(recording, row)) === undefined,
    );
    const making = this.#turns
      .run(() => this.#make(source, rows))
      .then((made) => {
        for (const row of rows) {
          const jpeg = made.get(row);
          this.#counter.inc({ outcome: jpeg === undefined ? 'none' : 'made' });
          this.#kept.set(keyOf(recording, row), jpeg ?? NONE);
        }
      })
      .finally(() => this.#making.delete(recording));
    this.#making.set(recording, making);
    return making;
  }

  async #make(source: RowSource, rows: readonly Row[]): Promise<ReadonlyMap<Row, Uint8Array>> {
    const read = await Promise.all(
      rows.map(async (row) => ({ row, frame: await readKeyFrame(source, row) })),
    );
    const there = read.flatMap(({ row, frame }) => (frame === undefined ? [] : [{ row, frame }]));
    const jpegs = there.length === 0 ? [] : await this.#jpegs(there.map(({ frame }) => frame));
    const made = new Map<Row, Uint8Array>();
    // Some cannot be decoded; which of them is found out by taking each alone.
    const isMixed = jpegs.length > 0 && jpegs.length < there.length;
    for (const [index, { row, frame }] of there.entries()) {
      const jpeg = isMixed ? (await this.#jpegs([frame]))[0] : jpegs[index];
      if (jpeg !== undefined) made.set(row, jpeg);
    }
    return made;
  }

  async #jpegs(keyFrames: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const jpegs = await this.#options.make(keyFrames);
    if (jpegs === undefined) throw new LecternError('service-unavailable');
    return jpegs;
  }
}

const keyOf = (recording: string, { n }: Row) => `${recording} ${n}`;
