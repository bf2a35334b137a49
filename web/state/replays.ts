// What there is to watch again, as it is listed: a class of several recordings is there once.
import type { Recording } from '#shared/contract/rest.ts';

export interface ListedReplay {
  /** In the order of time. */
  readonly parts: readonly Recording[];
  /** That with which it begins. */
  readonly first: Recording;
  /** A name of its own; null where it has that of its class. */
  readonly title: string | null;
  readonly durationMs: number;
}

/** The replays of `recordings`, which are in whatever order the replays are to be in. */
export function replaysOf(recordings: readonly Recording[]): ListedReplay[] {
  const classes = Map.groupBy(recordings, ({ firstPart }) => firstPart);
  return [...classes.values()].flatMap((found) => {
    const parts = found.toSorted((a, b) => a.startedAtMs - b.startedAtMs);
    const [first] = parts;
    if (first === undefined) return [];
    const title = parts.find((part) => part.title !== null)?.title ?? null;
    return [{ parts, first, title, durationMs: lengthMs(parts) }];
  });
}

/** How long they play, one after the other. */
export const lengthMs = (parts: readonly Recording[]): number =>
  parts.reduce((sum, { durationMs }) => sum + durationMs, 0);
