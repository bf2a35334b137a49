// What the parts of a replay have to show so that the whole shows one span.
import { LecternError } from '#shared/contract/errors.ts';
import type { Recording } from '#shared/contract/rest.ts';
import type { TrimSpan } from '#shared/contract/trim.ts';

type Part = Pick<Recording, 'id' | 'startedAtMs' | 'trim'>;
export interface PartTrim {
  readonly id: string;
  readonly trim: TrimSpan | null;
}

/**
 * Which of `parts`, which are in the order of time, have to show something else so that a replay of `whole` shows
 * `span` alone. Throws LecternError `conflict` where nothing of a part would be left.
 */
export function trimsOf(parts: readonly Part[], span: TrimSpan, whole: TrimSpan): PartTrim[] {
  return parts.flatMap(({ id, startedAtMs, trim }, index) => {
    const next = parts[index + 1];
    const shownFromMs = index === 0 ? whole.fromMs : (trim?.fromMs ?? startedAtMs);
    const shownToMs = next === undefined ? whole.toMs : (trim?.toMs ?? next.startedAtMs);
    const fromMs = Math.max(span.fromMs, shownFromMs);
    const toMs = Math.min(span.toMs, shownToMs);
    if (fromMs >= toMs) throw new LecternError('conflict');
    return fromMs > shownFromMs || toMs < shownToMs ? [{ id, trim: { fromMs, toMs } }] : [];
  });
}

/** The same so that it shows all of it again. */
export const untrimsOf = (parts: readonly Part[]): PartTrim[] =>
  parts.filter(({ trim }) => trim !== null).map(({ id }) => ({ id, trim: null }));
