// Which recordings are the parts of one class. A teacher who stops for a break, or is away for too long, makes
// another recording when the class goes on; a replay plays all of them, one after the other.

/** The longest break within a class, in ms: what begins later than this after the end of a part is another class. */
export const MAX_BREAK_MS = 3 * 60 * 60_000;

/** So many parts make one replay; those that follow make another. It bounds an address and what it takes to serve it. */
export const MAX_PARTS = 12;

/** What decides about a recording. */
export interface ReplayPart {
  readonly id: string;
  readonly lesson: string;
  readonly startedAtMs: number;
  /** How long what is in it plays. */
  readonly durationMs: number;
  /** When it stopped being written, as far as that was heard of. */
  readonly endedAtMs: number | null;
}

/**
 * When `part` ended; another part of its class began at `nextMs`. An end behind that was heard of late: the media
 * know better then, though not how long it was paused.
 */
function endOf({ startedAtMs, durationMs, endedAtMs }: ReplayPart, nextMs: number): number {
  const endMs = startedAtMs + durationMs;
  return endedAtMs === null || endedAtMs > nextMs ? endMs : Math.max(endMs, endedAtMs);
}

/** Puts recordings that can be watched, of any lessons and in any order, into classes; each in the order of time. */
export function classesOf<P extends ReplayPart>(recordings: readonly P[]): P[][] {
  const classes: P[][] = [];
  /** The newest class of each lesson. */
  const newest = new Map<string, P[]>();
  const inOrder = recordings.toSorted((a, b) => a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1));
  for (const part of inOrder) {
    const current = newest.get(part.lesson) ?? [];
    const before = current.at(-1);
    const isNext =
      before !== undefined &&
      current.length < MAX_PARTS &&
      part.startedAtMs - endOf(before, part.startedAtMs) <= MAX_BREAK_MS;
    if (isNext) {
      current.push(part);
      continue;
    }
    const begun = [part];
    classes.push(begun);
    newest.set(part.lesson, begun);
  }
  return classes;
}
