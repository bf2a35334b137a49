// A recording as HLS, and as one MP4 or FLV file to keep.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LecternError } from '#shared/contract/errors.ts';
import { partsOfReplay } from '#shared/contract/playback.ts';
import { LruMap } from '#shared/lru-map.ts';
import { openFlv } from '../../store/flv-file.ts';
import type { MovieSegment, MovieTrack, VirtualFile } from '../../store/movie-source.ts';
import { openMovie } from '../../store/movie.ts';
import { rowsOfPiece } from '../../store/pieces.ts';
import type { RecordingStore, Replay } from '../../store/recording-store.ts';
import { AUDIO, STILL, type RenditionId } from '../../hls/rendition-id.ts';
import { segmentFile, type Row, type SegmentTimeline } from '../../store/segment-timeline.ts';
import { STILL_FILE, type Stills } from '../../store/stills.ts';
import { KEY_NAME, type SegmentEncryption } from './encryption.ts';
import { JoinedReplays } from './joined-replays.ts';
import { segmentsOf, sendReplayPlaylist } from './replay-media.ts';
import { sendKey, sendMediaFile } from '../../hls/segments.ts';
import { memoryBody, sendRanged } from '../http/http-media.ts';

/** Computed files that are kept for the next byte range. */
const FILES_KEPT = 8;
/** The still of a finished recording does not change. */
const STILL_MAX_AGE_S = 86_400;

type FileFormat = 'mp4' | 'flv';

export class ReplayFiles {
  readonly #store: RecordingStore;
  readonly #stills: Stills;
  readonly #encryption: SegmentEncryption | undefined;
  readonly #joined: JoinedReplays;
  readonly #files = new LruMap<string, Promise<VirtualFile>>(FILES_KEPT);

  /** With `encryption`, segments are encrypted; downloads are not. */
  constructor(store: RecordingStore, stills: Stills, encryption?: SegmentEncryption) {
    this.#store = store;
    this.#stills = stills;
    this.#encryption = encryption;
    this.#joined = new JoinedReplays(store, encryption);
  }

  /**
   * Sends `/replay/<recording>/<name>`, `recording` being one or several that are joined; returns the media bytes
   * sent. Throws LecternError `not-found`.
   */
  async sendPart(
    request: IncomingMessage,
    response: ServerResponse,
    recording: string,
    name: string,
    query: URLSearchParams,
  ): Promise<number> {
    const parts = partsOfReplay(recording) ?? [];
    if (parts.length > 1) return this.#joined.sendPart(request, response, recording, parts, name, query);
    const replay = await this.#find(recording);
    const encryption = this.#encryption;
    const keyUri = encryption && KEY_NAME;
    const kept = () => this.#store.recording(recording)?.kept();
    if (await sendReplayPlaylist(request, response, { ...replay, kept }, name, query, keyUri)) return 0;
    if (name === STILL_FILE) return this.#sendStill(request, response, replay);
    if (encryption !== undefined && name === KEY_NAME) return sendKey(response, encryption.keyOf(recording));
    const cipherFor = encryption && ((n: number) => encryption.cipher(recording, n));
    return sendMediaFile(request, response, { ...segmentsOf(this.#store, replay), cipherFor }, name);
  }

  /** Sends the whole recording as one file, or a piece of it by its number; returns the media bytes sent. */
  async sendFile(
    request: IncomingMessage,
    response: ServerResponse,
    recording: string,
    format: FileFormat,
    piece?: number,
  ): Promise<number> {
    const replay = await this.#find(recording);
    const headers = {
      'content-type': format === 'mp4' ? 'video/mp4' : 'video/x-flv',
      'content-disposition': disposition(replay, format, piece),
      'cache-control': 'no-cache',
    };
    const file = await this.#file(replay, format, piece);
    const body = {
      size: file.size,
      etag: file.etag,
      send: (to: ServerResponse, start: number, end: number) =>
        pipeline(Readable.from(file.stream(start, end + 1)), to),
    };
    return sendRanged(request, response, body, headers);
  }

  async #sendStill(request: IncomingMessage, response: ServerResponse, replay: Replay): Promise<number> {
    const still = replay.isOver ? await this.#stills.of(replay) : undefined;
    if (still === undefined) throw new LecternError('not-found');
    return sendRanged(request, response, memoryBody([still]), {
      'content-type': 'image/jpeg',
      'cache-control': `private, max-age=${STILL_MAX_AGE_S}`,
    });
  }

  async #find(recording: string): Promise<Replay> {
    const replay = await this.#store.replay(recording);
    if (replay === undefined || replay.timeline.playable.length === 0) throw new LecternError('not-found');
    return replay;
  }

  #file({ dir, timeline, info }: Replay, format: FileFormat, piece?: number): Promise<VirtualFile> {
    const rows =
      piece === undefined ? timeline.playable : rowsOfPiece(timeline.playable, info.pieces ?? [], piece);
    if (rows.length === 0) throw new LecternError('not-found');
    const { fromMs = '', toMs = '' } = info.trim ?? {};
    const key = `${info.id}-${timeline.rows.length}-${timeline.absences}-${fromMs}-${toMs}-${piece ?? ''}.${format}`;
    const known = this.#files.get(key);
    if (known !== undefined) return known;
    const file = (format === 'mp4' ? openMovie : openFlv)(movieTracks(dir, timeline, rows));
    this.#files.set(key, file);
    file.catch(() => this.#files.delete(key));
    return file;
  }
}

/** The best picture and the sound of these rows. A class without any moving picture has sound alone. */
function movieTracks(dir: string, timeline: SegmentTimeline, rows: readonly Row[]): MovieTrack[] {
  const shifts = shiftsOf(rows);
  const segments = (labelOf: (row: Row) => RenditionId | undefined): MovieSegment[] =>
    rows.flatMap((row, index) => {
      const label = labelOf(row);
      if (label === undefined) return [];
      const config = timeline.inits.get(row.segments[label]?.init ?? -1);
      return config === undefined
        ? []
        : [{ path: join(dir, segmentFile(row.n, label)), config, earlierUs: shifts[index] ?? 0 }];
    });
  const moves = rows.some((row) => row.slots.at(-1) !== STILL);
  return [
    ...(moves ? [{ kind: 'video' as const, segments: segments(({ slots }) => slots.at(-1)) }] : []),
    { kind: 'audio' as const, segments: segments(() => AUDIO) },
  ];
}

/** By how much each row is played earlier than it was on air, in µs: what was lost before it takes no time. */
function shiftsOf(rows: readonly Row[]): number[] {
  let earlierUs = 0;
  return rows.map((row, index) => {
    const before = rows[index - 1];
    if (before === undefined || before.n === row.n - 1) return earlierUs;
    const gaps = [() => AUDIO, ({ slots }: Row) => slots.at(-1) ?? STILL].flatMap((labelOf) => {
      const from = before.segments[labelOf(before)];
      const to = row.segments[labelOf(row)];
      return from === undefined || to === undefined ? [] : [to.startUs - from.startUs - from.durationUs];
    });
    // Neither the sound nor the picture begins before the one before it ended.
    earlierUs += gaps.length === 0 ? 0 : Math.max(0, Math.min(...gaps));
    return earlierUs;
  });
}

/** A file name that people recognise (RFC 6266), with a plain one for old browsers. */
function disposition({ title, info }: Replay, format: FileFormat, piece?: number): string {
  const date = new Date(info.startedAtMs).toISOString().slice(0, 10);
  const which = piece === undefined ? '' : ` ${piece}-${info.pieces?.length ?? 1}`;
  const name = `${title} ${date}${which}.${format}`.replace(/[\\/:*?"<>|\p{Cc}]/gu, '_');
  const plain = name.replace(/[^\x20-\x7e]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()]/g, '_');
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
