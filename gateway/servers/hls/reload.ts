// What a player says of the playlist it wants (draft-pantos-hls-rfc8216bis §6.2.5): the one that holds a
// certain segment or part, for which it waits, and whether it knows the older ones already.
import { LecternError } from '#shared/contract/errors.ts';
import { PART_TARGET_S } from '../../hls/boundary.ts';

/** So many parts ahead of the newest may be asked for (§6.2.5.2, "Advance Part Limit"). */
const ADVANCE_PARTS = Math.ceil(3 / PART_TARGET_S);
/** And so many segments ahead of the last complete one. */
const ADVANCE_SEGMENTS = 2;

export interface Reload {
  /** Wait for this segment, or for its part. */
  readonly until?: { readonly n: number; readonly part: number | undefined };
  /** Older segments may be left out. */
  readonly isDelta: boolean;
}

/** Reads the delivery directives of a query. Throws LecternError `bad-request` for what makes no sense. */
export function readReload(query: URLSearchParams): Reload {
  const n = numberOf(query, '_HLS_msn');
  const part = numberOf(query, '_HLS_part');
  const skip = only(query, '_HLS_skip');
  if (part !== undefined && n === undefined)
    throw new LecternError('bad-request', '_HLS_part needs _HLS_msn.');
  if (skip !== undefined && skip !== 'YES' && skip !== 'v2') {
    throw new LecternError('bad-request', '_HLS_skip is YES or v2.');
  }
  return { ...(n === undefined ? {} : { until: { n, part } }), isDelta: skip !== undefined };
}

/**
 * Throws LecternError `bad-request` for a segment or part too far ahead to be waited for. `nextRow` is the
 * segment that is being filled, `parts` says how many parts it has.
 */
export function checkAhead({ until }: Reload, nextRow: number, parts: number): void {
  if (until === undefined) return;
  const { n, part = 0 } = until;
  const known = n === nextRow ? parts : n > nextRow ? 0 : Infinity;
  if (n > nextRow - 1 + ADVANCE_SEGMENTS || part >= known + ADVANCE_PARTS) {
    throw new LecternError('bad-request', 'That is too far ahead.');
  }
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const value = only(query, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value)) throw new LecternError('bad-request', `${name} is a number.`);
  return Number(value);
}

function only(query: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = query.getAll(name);
  if (more.length > 0) throw new LecternError('bad-request', `${name} is there twice.`);
  return value;
}
