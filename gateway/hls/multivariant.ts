// The multivariant playlist: which renditions a broadcast has, and what they measured so far.
import { displaySize } from '#shared/media/avc.ts';
import { multivariantPlaylist, type Variant } from '#shared/media/m3u8.ts';
import type { Row, Segment, SegmentTimeline } from '../store/segment-timeline.ts';
import { labelOf, type Rendition, type View } from './playlists.ts';
import { formatRenditionId, parseRenditionId, STILL, type RenditionId } from './rendition-id.ts';

/** What a multivariant playlist says of bit rates while a class is live comes from this many rows. */
const MEASURED_ROWS = 30;
/** Rows shorter than this tell nothing of the bit rate. */
const MEASURABLE_US = 500_000;
const AUDIO_GROUP = 'audio';

/**
 * Writes the playlist that names the renditions, best first. `uriOf` says where each one's playlist is.
 * Bit rates, sizes and frame rates are those of what was written.
 */
export function multivariantOf(
  timeline: SegmentTimeline,
  view: View,
  uriOf: (rendition: Rendition) => string,
  query: string,
): string {
  const rows = view === 'vod' ? timeline.playable : timeline.rows.slice(-MEASURED_ROWS);
  const audio = measure(rows, 'audio');
  const audioConfig = timeline.inits.get(audio.best?.init ?? -1);
  const audioCodec = audioConfig === undefined ? [] : [audioConfig.codecString];
  const variants = Array.from({ length: timeline.slotCount }, (_, slot): Variant => {
    const video = measure(rows, slot);
    const config = timeline.inits.get(video.best?.init ?? -1);
    return {
      uri: uriOf(slot),
      bandwidth: Math.ceil(video.peak + audio.peak),
      averageBandwidth: Math.ceil(video.average + audio.average),
      codecs: [...(config === undefined ? [] : [config.codecString]), ...audioCodec],
      ...(config?.codec === 'h264' ? { resolution: displaySize(config) } : {}),
      ...(video.framesPerSecond > 0 ? { frameRate: video.framesPerSecond } : {}),
      audio: AUDIO_GROUP,
    };
  });
  const channels = audioConfig !== undefined && audioConfig.codec !== 'h264' ? audioConfig.channels : 2;
  const rendition = {
    groupId: AUDIO_GROUP,
    name: 'Programme',
    isDefault: true,
    channels,
    uri: uriOf('audio'),
  };
  return multivariantPlaylist(
    { variants: variants.reverse(), audio: [rendition], independentSegments: false },
    { query },
  );
}

/**
 * Writes the playlist of the sound alone, for those who only listen. It is one of its own: as a variant
 * alongside the pictures it makes GStreamer's player drop them.
 */
export function audioOnly(timeline: SegmentTimeline, uri: string, query: string): string {
  const audio = measure(timeline.rows.slice(-MEASURED_ROWS), 'audio');
  const config = timeline.inits.get(audio.best?.init ?? -1);
  const variant: Variant = {
    uri,
    bandwidth: Math.ceil(audio.peak),
    averageBandwidth: Math.ceil(audio.average),
    codecs: config === undefined ? [] : [config.codecString],
  };
  return multivariantPlaylist({ variants: [variant], independentSegments: true }, { query });
}

export interface Measured {
  /** Bits per second. */
  readonly peak: number;
  readonly average: number;
  readonly framesPerSecond: number;
  /**
   * By which it is described: the newest segment of its own layer, for what stands in for that does not stay;
   * else the newest that is not a still, else the newest.
   */
  readonly best: Segment | undefined;
}

export function measure(rows: readonly Row[], rendition: Rendition): Measured {
  let peak = 0;
  let bytes = 0;
  let durationUs = 0;
  let moving = { frames: 0, durationUs: 0 };
  let shown: RenditionId | undefined;
  const newestOf = new Map<RenditionId, Segment>();
  for (const row of rows) {
    const label = labelOf(row, rendition);
    const segment = row.segments[label];
    if (segment === undefined) continue;
    newestOf.set(label, segment);
    bytes += segment.bytes;
    durationUs += segment.durationUs;
    if (segment.durationUs >= MEASURABLE_US) {
      peak = Math.max(peak, (segment.bytes * 8e6) / segment.durationUs);
    }
    if (label === STILL) continue;
    shown = label;
    moving = {
      frames: moving.frames + segment.frames,
      durationUs: moving.durationUs + segment.durationUs,
    };
  }
  const layer = shown && parseRenditionId(shown);
  const own = layer && rendition !== 'audio' ? formatRenditionId({ ...layer, layer: rendition }) : undefined;
  const average = durationUs === 0 ? 0 : (bytes * 8e6) / durationUs;
  return {
    peak: Math.max(peak, average),
    average,
    framesPerSecond: moving.durationUs === 0 ? 0 : (moving.frames * 1e6) / moving.durationUs,
    best: (own && newestOf.get(own)) ?? newestOf.get(shown ?? STILL),
  };
}
