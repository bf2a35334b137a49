// One stream to many sockets. Messages of a few dozen milliseconds are merged into one buffer that all
// readers share: one write per reader and flush instead of one per message. Readers are spread over
// groups that flush at different moments, so that thousands of writes do not stall the event loop.
import type { Tag, Wire } from './tag.ts';

/** Each group flushes at another part of the window, so that they do not come at the same moment. */
const GROUPS = 8;
/**
 * How long messages are gathered for, in ms. Few viewers get each picture by itself; for many a write costs
 * more than its bytes, and a tenth of a second of delay is a fair price for it.
 */
const SHORTEST_WINDOW_MS = 4;
const LONGEST_WINDOW_MS = 180;
/** The window grows by this with each viewer, in ms. */
const WINDOW_PER_READER_MS = 0.4;
/** Above this backlog a reader gets nothing more until it has caught up and a key frame comes. */
export const SKIP_ABOVE_BYTES = 1024 * 1024;
/** Above this backlog a reader is let go. */
export const CLOSE_ABOVE_BYTES = 6 * 1024 * 1024;
/** A reader that has not caught up for this long is let go. */
const STALLED_MS = 15_000;

/** A connection that media is written to. */
export interface Reader {
  /** Takes pieces that it must not change: they are shared with other readers. */
  write(...pieces: readonly Uint8Array[]): void;
  /** How many bytes are written but not yet taken by the system. */
  backlog(): number;
  /** Ends it: in order once everything is sent, or at once. */
  close(how: 'in-order' | 'at-once'): void;
}

export interface FanoutEvents {
  sent(bytes: number): void;
  /** A reader is too slow: it skips to a later key frame, or is let go. */
  slow(outcome: 'skipped' | 'closed'): void;
}

type Pace = { state: 'flowing' } | { state: 'skipping'; sinceMs: number };

interface Group {
  readonly readers: Map<Reader, Pace>;
  pending: Tag[];
  timer: NodeJS.Timeout | undefined;
}

export interface FanoutOptions {
  readonly wire: Wire;
  /** The configurations in force, for a reader that may have missed a change of them and gets `next` after. */
  readonly headers: (next: readonly Tag[]) => readonly Tag[];
  readonly events: FanoutEvents;
  readonly nowMs?: () => number;
}

export class Fanout {
  readonly #options: FanoutOptions;
  readonly #nowMs: () => number;
  #failure: Error | undefined;
  readonly #groups: readonly Group[] = Array.from({ length: GROUPS }, () => ({
    readers: new Map(),
    pending: [],
    timer: undefined,
  }));

  constructor(options: FanoutOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** How many readers there are. */
  get size(): number {
    return this.#groups.reduce((sum, group) => sum + group.readers.size, 0);
  }

  /**
   * Adds a reader, which gets `welcome` now and from then on what is pushed after this call: all of it, or
   * what comes from the next entry on, with the configurations before it.
   */
  addViewer(reader: Reader, welcome: readonly Uint8Array[], from: 'now' | 'entry' = 'now'): void {
    const [smallest] = [...this.#groups].sort((a, b) => a.readers.size - b.readers.size);
    if (smallest === undefined) return;
    // What waits here is in the welcome already.
    this.#flush(smallest);
    const pace: Pace = from === 'now' ? { state: 'flowing' } : { state: 'skipping', sinceMs: this.#nowMs() };
    smallest.readers.set(reader, pace);
    reader.write(...welcome);
    this.#options.events.sent(welcome.reduce((sum, { length }) => sum + length, 0));
  }

  remove(reader: Reader): void {
    for (const group of this.#groups) {
      if (!group.readers.delete(reader) || group.readers.size > 0) continue;
      clearTimeout(group.timer);
      group.timer = undefined;
      group.pending = [];
    }
  }

  /** Throws what an earlier flush threw: a timer has nobody to tell. */
  sendTag(tag: Tag): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!tag.isFor(this.#options.wire)) return;
    this.#groups.forEach((group, index) => {
      if (group.readers.size === 0) return;
      group.pending.push(tag);
      group.timer ??= setTimeout(() => this.#due(group), this.#windowMs * (0.5 + index / 2 / GROUPS));
    });
  }

  get #windowMs(): number {
    return Math.min(SHORTEST_WINDOW_MS + this.size * WINDOW_PER_READER_MS, LONGEST_WINDOW_MS);
  }

  /** Sends what waits and lets every reader go, in order. */
  close(): void {
    for (const group of this.#groups) {
      this.#flush(group);
      const readers = [...group.readers.keys()];
      group.readers.clear();
      for (const reader of readers) reader.close('in-order');
    }
  }

  #due(group: Group): void {
    try {
      this.#flush(group);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  #flush(group: Group): void {
    clearTimeout(group.timer);
    group.timer = undefined;
    const tags = group.pending;
    group.pending = [];
    if (tags.length === 0) return;
    const { wire } = this.#options;
    const parts = tags.map((tag) => tag.on(wire));
    const merged = Buffer.concat(parts);
    const entry = tags.findIndex((tag) => tag.entry);
    // Made only if somebody resumes at this flush.
    let resumption: Uint8Array | undefined;
    const resumed = () => {
      resumption ??= Buffer.concat([
        ...this.#options.headers(tags.slice(entry)).map((tag) => tag.on(wire)),
        ...parts.slice(entry),
      ]);
      return resumption;
    };
    let sentBytes = 0;
    for (const [reader, pace] of group.readers) {
      const next = this.#paceOf(reader, pace, entry >= 0);
      if (next === 'closed') {
        group.readers.delete(reader);
        this.#options.events.slow('closed');
        reader.close('at-once');
      } else if (next.state === 'flowing') {
        const bytes = pace.state === 'skipping' ? resumed() : merged;
        reader.write(bytes);
        sentBytes += bytes.length;
        if (next !== pace) group.readers.set(reader, next);
      } else if (next !== pace) {
        group.readers.set(reader, next);
      }
    }
    this.#options.events.sent(sentBytes);
  }

  #paceOf(reader: Reader, pace: Pace, entryComes: boolean): Pace | 'closed' {
    const backlog = reader.backlog();
    if (backlog > CLOSE_ABOVE_BYTES) return 'closed';
    if (pace.state === 'flowing') {
      if (backlog <= SKIP_ABOVE_BYTES) return pace;
      this.#options.events.slow('skipped');
      return { state: 'skipping', sinceMs: this.#nowMs() };
    }
    if (backlog < SKIP_ABOVE_BYTES / 2) return entryComes ? { state: 'flowing' } : pace;
    return this.#nowMs() - pace.sinceMs > STALLED_MS ? 'closed' : pace;
  }
}
