// Playlists are views of a timeline: the last rows for live viewers, all of them for those who rewind or
// come later. Every rendition has the same media sequence numbers and the same discontinuities. While a
// broadcast is on air they end with the parts of the row that is being filled.
import { mediaPlaylist, type PlaylistPart, type PlaylistSegment } from '#shared/media/m3u8.ts';
import type { Growing, LiveEdge, RowPlan } from './live-edge.ts';
import {
  initFile,
  partFile,
  segmentFile,
  type PartName,
  type Row,
  type SegmentTimeline,
} from '../store/segment-timeline.ts';
import { AUDIO, STILL, type RenditionId } from './rendition-id.ts';
import { MIN_TARGET_S, PART_TARGET_S } from './boundary.ts';
import { lengthsOf } from './runs.ts';

/** `live` slides, `event` begins at minute zero and grows, `vod` is complete. */
export type View = 'live' | 'event' | 'vod';

/** One quality of the picture by its slot, or the sound. */
export type Rendition = number | 'audio';

/** How many rows a live playlist names at least: 12 s, of which players keep the last 6 as their distance. */
const LIVE_ROWS = 6;
/** And for how many target durations; three are the least (RFC 8216 §6.2.2), and one is about to go. */
const LIVE_TARGETS = 4;
/** Parts are named of rows that end within three target durations of the last. */
const ROWS_WITH_PARTS = 3;
/** A delta update leaves out what is older, in target durations; six is the least (§4.4.3.8). */
const SKIP_TARGETS = 6;
/** Three, the least that a player without low latency stays away from the end. */
const HOLD_TARGETS = 3;
/** And parts for one with it. */
const HOLD_PARTS = 3;

/** The label of what a rendition shows in a row. */
export function labelOf({ slots }: Pick<RowPlan, 'slots'>, rendition: Rendition): RenditionId {
  return rendition === 'audio' ? AUDIO : (slots[rendition] ?? slots.at(-1) ?? STILL);
}

/** The file name of a rendition's playlist. */
export const playlistName = (rendition: Rendition, view: View) =>
  `${rendition === 'audio' ? 'audio' : `v${rendition}`}${view === 'event' ? '-dvr' : ''}.m3u8`;

export interface MoreOptions {
  /** Of a broadcast that is on air: players may stay close to it. */
  readonly edge?: LiveEdge;
  /** Segments are encrypted as a whole with the key at this address: then there are no parts. */
  readonly keyUri?: string | undefined;
  /** Leaves out what the client knows (`_HLS_skip`). */
  readonly isDelta?: boolean;
}

/**
 * What is complete leaves out what is not shown, so that its length is that of its media. Encrypted segments keep their
 * numbers: these are their initialization vectors.
 */
const isShortened = (view: View, isEncrypted: boolean) => view === 'vod' && !isEncrypted;

/** The rows that a playlist from the beginning names. */
export function rowsOf(
  timeline: SegmentTimeline,
  view: 'event' | 'vod',
  isEncrypted: boolean,
): readonly Row[] {
  const { rows, playable } = timeline;
  if (view === 'event') return rows;
  if (isShortened(view, isEncrypted)) return playable;
  const to = rows.findLastIndex((row) => row === playable.at(-1)) + 1;
  return rows.slice(
    rows.findIndex((row) => row === playable[0]),
    to,
  );
}

/**
 * Writes the playlist of one rendition. `query` is appended to every address in it; with an
 * `edge` there is what is known of the present row, and what a player needs to stay close to it.
 */
export function renditionPlaylist(
  timeline: SegmentTimeline,
  rendition: Rendition,
  view: View,
  ended: boolean,
  query: string,
  { edge, keyUri, isDelta = false }: MoreOptions = {},
): string {
  const targetS = timeline.targetS ?? MIN_TARGET_S;
  const live = timeline.newest(LIVE_ROWS, LIVE_TARGETS * targetS * 1e6);
  const isShort = isShortened(view, keyUri !== undefined);
  const rows = view === 'live' ? timeline.rows.slice(-live) : rowsOf(timeline, view, keyUri !== undefined);
  const from = timeline.rows.findLastIndex((row) => row === rows[0]);
  const isOnAir = edge !== undefined && !ended;
  const parted = isOnAir && keyUri === undefined ? edge : undefined;
  const skipped = isOnAir && isDelta ? skippable(rows, rendition, SKIP_TARGETS * targetS) : 0;
  const isAfterGap = (row: Row) => isShort && timeline.isAbsent(row.n - 1);
  const lengths =
    view === 'vod'
      ? lengthsOf(
          rows,
          (row) => labelOf(row, rendition),
          (row) => row.discontinuity || isAfterGap(row),
        )
      : [];
  const segments = rows.slice(skipped).flatMap((row, index, all) =>
    entryOf(row, rendition, {
      durationUs: lengths[index],
      edge: index >= all.length - ROWS_WITH_PARTS ? parted : undefined,
      // The newest come out of memory.
      isGap: timeline.isAbsent(row.n) && !(isOnAir && index >= all.length - LIVE_ROWS),
      isAfterGap: isAfterGap(row),
    }),
  );
  return mediaPlaylist(
    {
      targetDurationS: targetS,
      mediaSequence: rows[0]?.n ?? 1,
      discontinuitySequence: timeline.discontinuitiesBefore(from),
      ...(view === 'live' ? {} : { type: view === 'vod' ? 'VOD' : 'EVENT' }),
      ...(keyUri === undefined ? {} : { keyUri }),
      ...(isOnAir && {
        serverControl: {
          canBlockReload: true,
          canSkipUntilS: SKIP_TARGETS * targetS,
          holdBackS: HOLD_TARGETS * targetS,
          ...(parted && { partHoldBackS: HOLD_PARTS * PART_TARGET_S }),
        },
      }),
      ...(parted && { partTargetS: PART_TARGET_S, ...outlookOf(timeline, rendition, view, parted) }),
      skipped,
      segments,
      ended,
    },
    { query },
  );
}

/**
 * A date in whole ms, which is all that players keep of it. hls.js 1.7 puts the sound next to the picture by
 * their dates; were sound dated later than it is, what is buffered would seem to end before its segment does,
 * and after a trim of its buffer hls.js would wait for the rest of that segment forever.
 */
const wholeMs = (ms: number, rendition: Rendition) =>
  rendition === 'audio' ? Math.floor(ms) : Math.ceil(ms);

interface EntryOptions {
  /** How long it is said to be, in µs, where that is not how long it is. */
  readonly durationUs: number | undefined;
  /** Its parts are named. */
  readonly edge: LiveEdge | undefined;
  /** Its media are lost. */
  readonly isGap: boolean;
  /** Those before it are left out. */
  readonly isAfterGap: boolean;
}

function entryOf(
  row: Row,
  rendition: Rendition,
  { durationUs, edge, isGap, isAfterGap }: EntryOptions,
): PlaylistSegment[] {
  const label = labelOf(row, rendition);
  const segment = row.segments[label];
  if (segment === undefined) return [];
  return [
    {
      uri: segmentFile(row.n, label),
      durationUs: durationUs ?? segment.durationUs,
      ...(isGap ? { isGap } : { mapUri: initFile(segment.init) }),
      programDateTimeMs: wholeMs(row.epochMs + segment.startUs / 1_000, rendition),
      discontinuity: row.discontinuity || isAfterGap,
      parts: edge === undefined ? [] : partsOf(edge, edge.segment(row.n, label), label),
    },
  ];
}

const partsOf = (edge: LiveEdge, segment: Growing | undefined, label: RenditionId): PlaylistPart[] =>
  (segment?.parts ?? []).map(({ durationUs, independent }, index) => ({
    uri: partFile({ n: segment?.n ?? 0, label, index, run: edge.run }),
    durationUs,
    independent,
  }));

/** What a rendition's playlist says beyond its complete segments. */
function outlookOf(timeline: SegmentTimeline, rendition: Rendition, view: View, edge: LiveEdge) {
  const { plan } = edge;
  const label = plan && labelOf(plan, rendition);
  const segment = label === undefined ? undefined : edge.segment(timeline.nextRow, label);
  const [first] = segment?.parts ?? [];
  const others: readonly Rendition[] = [
    'audio',
    ...Array.from({ length: timeline.slotCount }, (_, slot) => slot),
  ];
  return {
    ...(plan && segment && label !== undefined && first
      ? {
          growing: {
            mapUri: initFile(segment.init),
            programDateTimeMs: wholeMs(plan.epochMs + first.startUs / 1_000, rendition),
            discontinuity: plan.discontinuity,
            parts: partsOf(edge, segment, label),
          },
        }
      : {}),
    hintUri: partFile(nextPart(timeline, rendition, edge)),
    reports: others
      .filter((other) => other !== rendition)
      .map((other) => ({ uri: playlistName(other, view), ...lastOf(timeline, other, edge) })),
  };
}

/** Which part of a rendition comes next. At the end of a row it is a guess. */
function nextPart(timeline: SegmentTimeline, rendition: Rendition, edge: LiveEdge): PartName {
  const { nextRow, rows } = timeline;
  const { run } = edge;
  const source = edge.plan ?? rows.at(-1);
  const label = source === undefined ? STILL : labelOf(source, rendition);
  const segment = edge.plan && edge.segment(nextRow, label);
  return segment?.isFinished === true
    ? { n: nextRow + 1, label, index: 0, run }
    : { n: nextRow, label, index: segment?.parts.length ?? 0, run };
}

/** The newest segment and part of a rendition. */
function lastOf(timeline: SegmentTimeline, rendition: Rendition, edge: LiveEdge) {
  const { nextRow, rows } = timeline;
  const last = rows.at(-1);
  const growing = edge.plan && edge.segment(nextRow, labelOf(edge.plan, rendition))?.parts.length;
  if (growing !== undefined && growing > 0) return { lastSegment: nextRow, lastPart: growing - 1 };
  const parts = last && edge.segment(last.n, labelOf(last, rendition))?.parts.length;
  return { lastSegment: nextRow - 1, ...(parts === undefined || parts === 0 ? {} : { lastPart: parts - 1 }) };
}

/** How many of the first rows end before the last `lastS`. */
function skippable(rows: readonly Row[], rendition: Rendition, lastS: number): number {
  let restUs = lastS * 1e6;
  let count = rows.length;
  while (count > 0 && restUs > 0) {
    count -= 1;
    const row = rows[count];
    restUs -= (row && row.segments[labelOf(row, rendition)]?.durationUs) ?? 0;
  }
  return count;
}

/**
 * True once a playlist of `rendition` holds segment `n`, or its part `part`; a part beyond the last one of
 * a segment is the first of the next (§6.2.5.2).
 */
export function isReached(
  timeline: SegmentTimeline,
  edge: LiveEdge,
  rendition: Rendition,
  n: number,
  part: number | undefined,
): boolean {
  const { nextRow, rows } = timeline;
  if (n > nextRow || (n === nextRow && part === undefined)) return false;
  if (n === nextRow) {
    const { plan } = edge;
    const segment = plan && edge.segment(n, labelOf(plan, rendition));
    return (part ?? 0) < (segment?.parts.length ?? 0);
  }
  const row = rows[n - (rows[0]?.n ?? 1)];
  const count = row && edge.segment(n, labelOf(row, rendition))?.parts.length;
  if (part === undefined || count === undefined || part < count) return true;
  return isReached(timeline, edge, rendition, n + 1, 0);
}
