// The still of a recording: one of its pictures as JPEG, made when it is first asked for and kept next to its media.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '#server/log.ts';
import { LruMap } from '#shared/lru-map.ts';
import { Serial } from '#shared/serial.ts';
import { STILL } from '../hls/rendition-id.ts';
import { readSegment } from './movie-source.ts';
import type { Replay } from './recording-store.ts';
import { initFile, segmentFile } from './segment-timeline.ts';

export const STILL_FILE = 'still.jpg';
/** What is not shown may be in the still of all of it: each part of a recording has its own. */
const fileOf = ({ trim }: Replay['info']) =>
  trim === undefined ? STILL_FILE : `still-${Math.round(trim.fromMs)}-${Math.round(trim.toMs)}.jpg`;
/** So many are remembered. */
const REMEMBERED = 200;
/** One that could not be made is not tried again for so long, in ms. */
const FAILED_MS = 5 * 60_000;
/** Beyond so many that wait for their turn the next are not waited for; who asks later finds them made. */
const MAX_WAITING = 20;
/** How far into the recording it is taken: what it is about has begun. */
const PART = 1 / 3;

export interface StillsOptions {
  /** Makes a JPEG of a fragmented MP4; undefined where that cannot be done. */
  readonly make: (movie: readonly Uint8Array[]) => Promise<Uint8Array | undefined>;
  readonly log: Log;
}

export class Stills {
  readonly #options: StillsOptions;
  readonly #known = new LruMap<string, Promise<Uint8Array | undefined>>(REMEMBERED);
  /** One at a time: classes that are on air need the machine. */
  readonly #turns = new Serial();
  #waiting = 0;

  constructor(options: StillsOptions) {
    this.#options = options;
  }

  /** The JPEG of a finished recording; undefined where it has no moving picture or none can be made. Never rejects. */
  of(replay: Replay): Promise<Uint8Array | undefined> {
    const path = join(replay.dir, fileOf(replay.info));
    let still = this.#known.get(path);
    if (still === undefined) {
      if (this.#waiting >= MAX_WAITING) return Promise.resolve(undefined);
      still = this.#find(replay, path);
      this.#known.set(path, still);
      // On a busy machine it may work another time.
      const failed = () => setTimeout(() => this.#known.delete(path), FAILED_MS).unref();
      void still.then((found) => found ?? failed());
    }
    return still;
  }

  async #find(replay: Replay, path: string): Promise<Uint8Array | undefined> {
    const { log } = this.#options;
    try {
      const kept = await readSegment(path);
      if (kept !== null) return kept;
      this.#waiting += 1;
      return await this.#turns.run(() => this.#make(replay, path)).finally(() => (this.#waiting -= 1));
    } catch (error) {
      log.warn({ err: error, recording: replay.info.id }, 'a still could not be made');
      return undefined;
    }
  }

  async #make({ dir, timeline, info }: Replay, path: string): Promise<Uint8Array | undefined> {
    const rows = timeline.playable.filter(({ slots }) => slots.at(-1) !== STILL);
    const row = rows[Math.floor(rows.length * PART)];
    const label = row?.slots.at(-1);
    const segment = label && row?.segments[label];
    if (row === undefined || label === undefined || segment === undefined) return undefined;
    const movie = await Promise.all([
      readFile(join(dir, initFile(segment.init))),
      readFile(join(dir, segmentFile(row.n, label))),
    ]);
    const still = await this.#options.make(movie);
    if (still === undefined) return undefined;
    try {
      await writeFile(`${path}.new`, still, { mode: 0o600 });
      await rename(`${path}.new`, path);
    } catch (error) {
      // The disk is full or away, or the recording was erased: it is made again then.
      this.#options.log.debug({ err: error, recording: info.id }, 'a still could not be kept');
    }
    return still;
  }
}
