// From the replay's clock to the wall's and back. Gaps of a broadcast are not in its recording, so the
// two run alike only between marks (EXT-X-PROGRAM-DATE-TIME, RFC 8216 §4.3.2.6).
import type { Mark } from './ports.ts';

export class PlaybackTimeline {
  #marks: readonly Mark[];

  constructor(marks: readonly Mark[]) {
    this.#marks = marks.toSorted((a, b) => a.startS - b.startS);
  }

  get empty(): boolean {
    return this.#marks.length === 0;
  }

  /** Where it ends on both clocks; undefined without marks. */
  get end(): { readonly positionS: number; readonly wallMs: number } | undefined {
    const last = this.#marks.at(-1);
    if (last === undefined) return undefined;
    return { positionS: last.endS, wallMs: last.wallMs + (last.endS - last.startS) * 1_000 };
  }

  /** The replay's second at which the wall showed `wallMs`; in a gap, where the recording goes on. */
  positionOf(wallMs: number): number {
    let positionS = 0;
    for (const mark of this.#marks) {
      if (wallMs < mark.wallMs) return mark.startS;
      positionS = Math.min(mark.endS, mark.startS + (wallMs - mark.wallMs) / 1_000);
      if (wallMs < mark.wallMs + (mark.endS - mark.startS) * 1_000) return positionS;
    }
    return positionS;
  }

  /** What the wall showed at the replay's second `positionS`; 0 without marks. */
  wallMsAt(positionS: number): number {
    const [first] = this.#marks;
    const mark = this.#marks.findLast(({ startS }) => startS <= positionS) ?? first;
    return mark === undefined ? 0 : mark.wallMs + (positionS - mark.startS) * 1_000;
  }
}

/** What is known of a replay before its playlist: each of its parts is taken to have had no gap. */
export function marksOfParts(parts: readonly { startedAtMs: number; durationMs: number }[]): Mark[] {
  let endS = 0;
  return parts.map(({ startedAtMs, durationMs }) => {
    const startS = endS;
    endS += durationMs / 1_000;
    return { startS, endS, wallMs: startedAtMs };
  });
}

/**
 * Reads the marks of a media playlist: for players that do not tell them. A segment without a date
 * continues the one before it; of one that is not there (EXT-X-GAP, RFC 8216bis §4.4.4.7) nothing is marked.
 */
export function marksOfPlaylist(text: string): Mark[] {
  const marks: Mark[] = [];
  let startS = 0;
  let wallMs: number | undefined;
  let durationS = 0;
  let isGap = false;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#EXTINF:')) durationS = Number.parseFloat(line.slice(8)) || 0;
    else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) wallMs = Date.parse(line.slice(25)) || undefined;
    else if (line === '#EXT-X-GAP') isGap = true;
    else if (line !== '' && !line.startsWith('#')) {
      if (wallMs !== undefined) {
        if (!isGap) marks.push({ startS, endS: startS + durationS, wallMs });
        wallMs += durationS * 1_000;
      }
      startS += durationS;
      isGap = false;
    }
  }
  return marks;
}
