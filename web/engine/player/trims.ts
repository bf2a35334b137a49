// What the parts of a replay have to show so that the whole shows one span.
import { LecternError } from '#shared/contract/errors.ts';
import type { Recording } from '#shared/contract/rest.ts';
import { MAX_MOMENT_MS, type TrimSpan } from '#shared/contract/trim.ts';

type Part = Pick<Recording, 'id' | 'startedAtMs' | 'trim'>;
export interface PartTrim {
  readonly id: string;
  readonly trim: TrimSpan | null;
}

/** Where somebody wants the replay to begin and end, in ms since 1970; null for where it does now. */
export interface WantedSpan {
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

/**
 * Which of `parts`, which are in the order of time, have to show something else so that the replay shows no more than
 * is wanted. An end that stays is given as wide as it is, not as what the player shows there: that may begin with the
 * picture, a moment after the sound. Throws LecternError `conflict` where nothing of a part would be left.
 */
export function trimsOf(parts: readonly Part[], wanted: WantedSpan): PartTrim[] {
  return parts.flatMap(({ id, startedAtMs, trim }, index) => {
    const shownFromMs = trim?.fromMs ?? startedAtMs;
    const shownToMs = trim?.toMs ?? parts[index + 1]?.startedAtMs ?? MAX_MOMENT_MS;
    const fromMs = Math.max(wanted.fromMs ?? shownFromMs, shownFromMs);
    const toMs = Math.min(wanted.toMs ?? shownToMs, shownToMs);
    if (fromMs >= toMs) throw new LecternError('conflict');
    return fromMs > shownFromMs || toMs < shownToMs ? [{ id, trim: { fromMs, toMs } }] : [];
  });
}

/** The same so that it shows all of it again. */
export const untrimsOf = (parts: readonly Part[]): PartTrim[] =>
  parts.filter(({ trim }) => trim !== null).map(({ id }) => ({ id, trim: null }));
