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
 * What to show of which of `parts`, which are in the order of time, so that the replay shows this span, or all of it
 * (null). Throws LecternError `conflict` where nothing of a part would be left.
 */
export function trimsOf(parts: readonly Part[], span: TrimSpan | null): PartTrim[] {
  if (span === null) return parts.filter(({ trim }) => trim !== null).map(({ id }) => ({ id, trim: null }));
  return parts.flatMap(({ id, startedAtMs, trim }, index) => {
    const [first, last] = [index === 0, index === parts.length - 1];
    const shown = trim ?? { fromMs: startedAtMs, toMs: parts[index + 1]?.startedAtMs ?? span.toMs };
    // What the first begins with and the last ends with are the ends of the span, whatever the clocks say.
    const fromMs = first ? span.fromMs : Math.max(span.fromMs, shown.fromMs);
    const toMs = last ? span.toMs : Math.min(span.toMs, shown.toMs);
    if (fromMs >= toMs) throw new LecternError('conflict');
    return (first && last) || fromMs > shown.fromMs || toMs < shown.toMs
      ? [{ id, trim: { fromMs, toMs } }]
      : [];
  });
}
