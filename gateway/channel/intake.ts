// Keeps the tracks of a broadcast as the feed states them: opens, updates and closes their sources.
import type { BroadcastFailure, BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import type { BroadcastFeed, FeedTrack } from '#shared/contract/internal.ts';
import type { VideoTrack } from './ports.ts';
import type { FeedAddress, SourceFrame, SourceGroup, TrackSource } from './sources.ts';
import type { FrameKind } from './timeline.ts';

/** How long a picture that the feed no longer has goes on while the next has not begun. */
const LINGER_MS = 3_000;

export interface IntakeOptions {
  readonly group: SourceGroup;
  readonly onFrame: (track: string, frame: SourceFrame) => void;
  /** The video tracks of the feed, smallest layer first. */
  readonly onVideoTracks: (tracks: readonly VideoTrack[]) => void;
  readonly onAudioGone: (track: string) => void;
  /** Which kinds are on their way, and whether a program outside sends them. */
  readonly onKinds: (kinds: ReadonlySet<FrameKind>, isEncoder: boolean) => void;
  readonly onNotice: (notice: BroadcastNotice | null) => void;
  readonly onFailed: (why: BroadcastFailure) => void;
  /** The video track that is the programme now. */
  readonly shown: () => VideoTrack | undefined;
}

interface Entry {
  readonly track: FeedTrack;
  readonly from: FeedAddress;
  readonly source: TrackSource;
  /** Set while it is no longer in the feed. */
  lingersSinceMs: number | undefined;
}

export class Intake {
  readonly #options: IntakeOptions;
  readonly #entries = new Map<string, Entry>();
  #videoIds = '';
  #isEncoder = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** True while there is anything to receive. */
  get isOpen(): boolean {
    return this.#entries.size > 0;
  }

  /** True if a program outside sends: what is late there is held up, and comes. */
  get isEncoder(): boolean {
    return this.#isEncoder;
  }

  feed({ tracks, from }: BroadcastFeed, nowMs: number): void {
    const wanted = from === null ? [] : receivable(tracks);
    if (from !== null) {
      for (const track of wanted) this.#keep(track, from);
    }
    const wantsVideo = wanted.some(({ kind }) => kind === 'video');
    for (const [id, entry] of this.#entries) {
      if (wanted.some((track) => track.id === id)) entry.lingersSinceMs = undefined;
      else if (entry.track.kind === 'video' && wantsVideo) entry.lingersSinceMs ??= nowMs;
      else this.#drop(id, entry);
    }
    const sending = wanted.filter(({ paused }) => paused !== true);
    this.#isEncoder = wanted.some(({ source }) => source.startsWith('encoder'));
    this.#options.onKinds(new Set(sending.map(({ kind }) => kind)), this.#isEncoder);
    this.#announce(wanted);
    this.tick(nowMs);
  }

  /** Lets a picture go that has been replaced. */
  tick(nowMs: number): void {
    const shown = this.#options.shown();
    const replaced = shown !== undefined && this.#entries.get(shown.id)?.lingersSinceMs === undefined;
    for (const [id, entry] of this.#entries) {
      if (entry.lingersSinceMs === undefined) continue;
      if (replaced || nowMs - entry.lingersSinceMs >= LINGER_MS) this.#drop(id, entry);
    }
  }

  /** Asks one track, or all of them, for a key frame. */
  requestKeyframe(track: VideoTrack | string | undefined): void {
    const id = typeof track === 'object' ? track.id : track;
    for (const [own, { source }] of this.#entries)
      if (id === undefined || own === id) source.requestKeyframe();
  }

  /** The feed is lost: nothing is received until it is back. */
  clear(): void {
    for (const [id, entry] of this.#entries) this.#drop(id, entry);
    this.#announce([]);
  }

  close(): void {
    this.#entries.clear();
    this.#options.group.close();
  }

  #keep(track: FeedTrack, from: FeedAddress): void {
    const entry = this.#entries.get(track.id);
    if (entry !== undefined && isSame(entry, track, from)) {
      entry.source.update(track);
      return;
    }
    if (entry !== undefined) this.#drop(track.id, entry);
    const source = this.#options.group.open(track, from, {
      onFrame: (frame) => this.#options.onFrame(track.id, frame),
      onFailure: (why) => this.#options.onFailed(why),
    });
    this.#entries.set(track.id, { track, from, source, lingersSinceMs: undefined });
  }

  #drop(id: string, entry: Entry): void {
    this.#entries.delete(id);
    entry.source.close();
    if (entry.track.kind === 'audio') this.#options.onAudioGone(id);
  }

  #announce(wanted: readonly FeedTrack[]): void {
    const videos = wanted.filter(({ kind }) => kind === 'video').sort((a, b) => a.layer - b.layer);
    const ids = videos.map(({ id }) => id).join(' ');
    if (ids === this.#videoIds) return;
    this.#videoIds = ids;
    this.#options.onVideoTracks(
      videos.map(({ id, layer, source }) => ({
        id,
        layer,
        source: source === 'screen' ? 'screen' : 'camera',
      })),
    );
    const transcoded = [...this.#entries.values()].some(({ source }) => source.transcoded);
    this.#options.onNotice(transcoded ? 'converted' : null);
  }
}

/** VP8 has to be transcoded: only the largest layer is, the others would cost as much again. */
function receivable(tracks: readonly FeedTrack[]): FeedTrack[] {
  const largest = Math.max(...tracks.filter(({ codec }) => codec === 'vp8').map(({ layer }) => layer));
  return tracks.filter(({ codec, layer }) => codec !== 'vp8' || layer === largest);
}

function isSame(entry: Entry, track: FeedTrack, from: FeedAddress): boolean {
  const known = entry.track;
  return (
    known.ssrc === track.ssrc &&
    known.payloadType === track.payloadType &&
    known.codec === track.codec &&
    known.absCaptureTimeId === track.absCaptureTimeId &&
    entry.from.ip === from.ip &&
    entry.from.port === from.port
  );
}
