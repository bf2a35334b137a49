// Playlists are views of a timeline: the last rows for live viewers, all of them for those who rewind or
// come later. Every rendition has the same media sequence numbers and the same discontinuities.
import {
  mediaPlaylist,
  multivariantPlaylist,
  type PlaylistSegment,
  type Variant,
} from '#shared/media/m3u8.ts';
import {
  AUDIO,
  initFile,
  segmentFile,
  STILL,
  type Row,
  type Segment,
  type Timeline,
} from '../../store/timeline.ts';
import { TARGET_DURATION_S } from './boundary.ts';

/** `live` slides, `event` begins at minute zero and grows, `vod` is complete. */
export type View = 'live' | 'event' | 'vod';

/** One quality of the picture by its slot, or the sound. */
export type Rendition = number | 'audio';

/** How many rows a live playlist names: 12 s, of which players keep the last 6 as their distance. */
const LIVE_ROWS = 6;
/** What a multivariant playlist says of bit rates while a class is live comes from this many rows. */
const MEASURED_ROWS = 30;
/** Rows shorter than this tell nothing of the bit rate. */
const MEASURABLE_US = 500_000;
const AUDIO_GROUP = 'audio';

/** The label of what a rendition shows in a row. */
export function labelOf(row: Row, rendition: Rendition): string {
  return rendition === 'audio' ? AUDIO : (row.slots[rendition] ?? row.slots.at(-1) ?? STILL);
}

/** Writes the playlist of one rendition. `query` is appended to every address in it. */
export function renditionPlaylist(
  timeline: Timeline,
  rendition: Rendition,
  view: View,
  ended: boolean,
  query: string,
): string {
  const from = view === 'live' ? Math.max(0, timeline.rows.length - LIVE_ROWS) : 0;
  const rows = timeline.rows.slice(from);
  return mediaPlaylist(
    {
      targetDurationS: TARGET_DURATION_S,
      mediaSequence: rows[0]?.n ?? 1,
      discontinuitySequence: timeline.discontinuitiesBefore(from),
      ...(view === 'live' ? {} : { type: view === 'vod' ? 'VOD' : 'EVENT' }),
      segments: rows.flatMap((row) => entryOf(row, rendition)),
      ended,
    },
    { query },
  );
}

function entryOf(row: Row, rendition: Rendition): PlaylistSegment[] {
  const label = labelOf(row, rendition);
  const segment = row.segments[label];
  if (segment === undefined) return [];
  return [
    {
      uri: segmentFile(row.n, label),
      durationUs: segment.durationUs,
      mapUri: initFile(segment.init),
      programDateTimeMs: row.epochMs + segment.startUs / 1_000,
      discontinuity: row.discontinuity,
    },
  ];
}

/**
 * Writes the playlist that names the renditions, best first. `uriOf` says where each one's playlist is.
 * Bit rates, sizes and frame rates are those of what was written.
 */
export function multivariantOf(
  timeline: Timeline,
  view: View,
  uriOf: (rendition: Rendition) => string,
  query: string,
): string {
  const rows = view === 'vod' ? timeline.rows : timeline.rows.slice(-MEASURED_ROWS);
  const sound = measure(rows, 'audio');
  const soundConfig = timeline.inits.get(sound.best?.init ?? -1);
  const soundCodec = soundConfig === undefined ? [] : [soundConfig.codecString];
  const variants = Array.from({ length: timeline.slotCount }, (_, slot): Variant => {
    const picture = measure(rows, slot);
    const config = timeline.inits.get(picture.best?.init ?? -1);
    return {
      uri: uriOf(slot),
      bandwidth: Math.ceil(picture.peak + sound.peak),
      averageBandwidth: Math.ceil(picture.average + sound.average),
      codecs: [...(config === undefined ? [] : [config.codecString]), ...soundCodec],
      ...(config?.codec === 'h264' ? { resolution: { width: config.width, height: config.height } } : {}),
      ...(picture.framesPerSecond > 0 ? { frameRate: picture.framesPerSecond } : {}),
      audio: AUDIO_GROUP,
    };
  });
  const channels = soundConfig !== undefined && soundConfig.codec !== 'h264' ? soundConfig.channels : 2;
  const audio = {
    groupId: AUDIO_GROUP,
    name: 'Programme',
    isDefault: true,
    channels,
    uri: uriOf('audio'),
  };
  return multivariantPlaylist(
    { variants: variants.reverse(), audio: [audio], independentSegments: false },
    { query },
  );
}

interface Measured {
  /** Bits per second. */
  readonly peak: number;
  readonly average: number;
  readonly framesPerSecond: number;
  /** The newest segment that is not a still, else the newest. */
  readonly best: Segment | undefined;
}

function measure(rows: readonly Row[], rendition: Rendition): Measured {
  let peak = 0;
  let bytes = 0;
  let durationUs = 0;
  let moving = { frames: 0, durationUs: 0 };
  let best: Segment | undefined;
  let newest: Segment | undefined;
  for (const row of rows) {
    const label = labelOf(row, rendition);
    const segment = row.segments[label];
    if (segment === undefined) continue;
    newest = segment;
    bytes += segment.bytes;
    durationUs += segment.durationUs;
    if (segment.durationUs >= MEASURABLE_US) {
      peak = Math.max(peak, (segment.bytes * 8e6) / segment.durationUs);
    }
    if (label === STILL) continue;
    best = segment;
    moving = {
      frames: moving.frames + segment.frames,
      durationUs: moving.durationUs + segment.durationUs,
    };
  }
  const average = durationUs === 0 ? 0 : (bytes * 8e6) / durationUs;
  return {
    peak: Math.max(peak, average),
    average,
    framesPerSecond: moving.durationUs === 0 ? 0 : (moving.frames * 1e6) / moving.durationUs,
    best: best ?? newest,
  };
}
