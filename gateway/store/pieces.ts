// Cuts a recording into files that are neither too long nor too large, where a row begins: with a key frame, and
// nothing is in two of them or in none.
import { MAX_PIECES, type Piece, type Split } from '#shared/contract/split.ts';
import { AUDIO } from '../hls/rendition-id.ts';
import type { Row } from './segment-timeline.ts';

/** What a row adds to a file: the best picture and the sound. */
function measure({ segments, slots }: Row): { durationMs: number; bytes: number } {
  const best = slots.at(-1);
  const audio = segments[AUDIO];
  const bytes = (audio?.bytes ?? 0) + ((best && segments[best]?.bytes) ?? 0);
  return { durationMs: (audio?.durationUs ?? 0) / 1_000, bytes };
}

/** The pieces of `rows`; undefined where they fit into one file. A row that is too large by itself is a piece. */
export function piecesOf(rows: readonly Row[], { splitMs, splitBytes }: Split): Piece[] | undefined {
  const pieces: Piece[] = [];
  for (const row of rows) {
    const { durationMs, bytes } = measure(row);
    const last = pieces.at(-1);
    const fits =
      last !== undefined &&
      (pieces.length === MAX_PIECES ||
        (last.durationMs + durationMs <= (splitMs ?? Infinity) &&
          last.bytes + bytes <= (splitBytes ?? Infinity)));
    if (fits) {
      last.durationMs += durationMs;
      last.bytes += bytes;
    } else pieces.push({ row: row.n, durationMs, bytes });
  }
  if (pieces.length <= 1) return undefined;
  return pieces.map((piece) => ({ ...piece, durationMs: Math.round(piece.durationMs) }));
}

/** The rows of a piece by its number, from 1; none if there is no such piece. */
export function rowsOfPiece(rows: readonly Row[], pieces: readonly Piece[], number: number): readonly Row[] {
  const [from, to] = [pieces[number - 1]?.row, pieces[number]?.row];
  return from === undefined ? [] : rows.filter(({ n }) => n >= from && (to === undefined || n < to));
}
