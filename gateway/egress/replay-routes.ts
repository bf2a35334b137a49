// A recording as HLS, and as one MP4 or FLV file to keep.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LecternError } from '#shared/contract/errors.ts';
import { endIfStalled } from '#server/http.ts';
import { flvFile } from '../store/flv-file.ts';
import type { MovieSegment, MovieTrack } from '../store/movie-source.ts';
import { openMovie, type VirtualFile } from '../store/movie.ts';
import type { RecordingStore, Replay } from '../store/recording-store.ts';
import { AUDIO, segmentFile, STILL, type Row, type Timeline } from '../store/timeline.ts';
import { KEY_NAME, type SegmentEncryption } from './hls/encryption.ts';
import { parsePlaylistName } from './hls/live-routes.ts';
import { multivariantOf } from './hls/multivariant.ts';
import { playlistName, renditionPlaylist, type Rendition } from './hls/playlists.ts';
import { sendKey, sendMediaFile } from './hls/segments.ts';
import { sendPlaylist, sendRanged, signedQuery } from './http-media.ts';

/** Computed files that are kept for the next byte range. */
const MOVIES_KEPT = 8;
/** A finished recording's playlists do not change; it may be erased. */
const VOD_MAX_AGE_S = 60;

export class ReplayFiles {
  readonly #store: RecordingStore;
  readonly #encryption: SegmentEncryption | undefined;
  readonly #movies = new Map<string, Promise<VirtualFile>>();

  /** With `encryption`, segments are encrypted; downloads are not. */
  constructor(store: RecordingStore, encryption?: SegmentEncryption) {
    this.#store = store;
    this.#encryption = encryption;
  }

  /** Sends `/replay/<recording>/<name>`; returns the media bytes sent. Throws LecternError `not-found`. */
  async sendPart(
    request: IncomingMessage,
    response: ServerResponse,
    recording: string,
    name: string,
    query: URLSearchParams,
  ): Promise<number> {
    const replay = await this.#find(recording);
    const { timeline, isOver } = replay;
    const view = isOver ? 'vod' : 'event';
    const maxAgeS = isOver ? VOD_MAX_AGE_S : 1;
    if (name === 'index.m3u8') {
      const uriOf = (rendition: Rendition) => playlistName(rendition, 'vod');
      const text = multivariantOf(timeline, view, uriOf, signedQuery(query));
      await sendPlaylist(request, response, text, maxAgeS);
      return 0;
    }
    const playlist = parsePlaylistName(name);
    if (playlist === undefined) {
      const open = this.#store.recording(recording);
      const encryption = this.#encryption;
      if (encryption !== undefined && name === KEY_NAME)
        return sendKey(response, encryption.keyOf(recording));
      const inMemory = (file: string) => open?.inMemory(file);
      const cipherFor = encryption && ((n: number) => encryption.cipher(recording, n));
      const missing = () => this.#store.missing(recording);
      const source = { dir: replay.dir, timeline, inMemory, cipherFor, missing };
      return sendMediaFile(request, response, source, name);
    }
    const { rendition, isDvr } = playlist;
    if (isDvr || (rendition !== 'audio' && rendition >= timeline.slotCount))
      throw new LecternError('not-found');
    const keyUri = this.#encryption && KEY_NAME;
    const text = renditionPlaylist(timeline, rendition, view, isOver, signedQuery(query), { keyUri });
    await sendPlaylist(request, response, text, maxAgeS);
    return 0;
  }

  /** Sends the whole recording as one file; returns the media bytes sent. */
  async sendFile(
    request: IncomingMessage,
    response: ServerResponse,
    recording: string,
    format: 'mp4' | 'flv',
  ): Promise<number> {
    const replay = await this.#find(recording);
    const headers = {
      'content-type': format === 'mp4' ? 'video/mp4' : 'video/x-flv',
      'content-disposition': disposition(replay, format),
      'cache-control': 'no-cache',
    };
    const tracks = movieTracks(replay.dir, replay.timeline);
    if (format === 'flv') {
      response.writeHead(200, headers);
      if (request.method === 'HEAD') {
        response.end();
        return 0;
      }
      endIfStalled(response);
      let sentBytes = 0;
      const counted = async function* () {
        for await (const bytes of flvFile(tracks)) {
          sentBytes += bytes.length;
          yield bytes;
        }
      };
      await pipeline(Readable.from(counted()), response);
      return sentBytes;
    }
    const movie = await this.#movie(recording, replay.timeline, tracks);
    const body = {
      size: movie.size,
      etag: movie.etag,
      send: (to: ServerResponse, start: number, end: number) =>
        pipeline(Readable.from(movie.stream(start, end + 1)), to),
    };
    return sendRanged(request, response, body, headers);
  }

  async #find(recording: string): Promise<Replay> {
    const replay = await this.#store.replay(recording);
    if (replay === undefined || replay.timeline.playable.length === 0) throw new LecternError('not-found');
    return replay;
  }

  #movie(recording: string, timeline: Timeline, tracks: readonly MovieTrack[]): Promise<VirtualFile> {
    const key = `${recording}-${timeline.rows.length}-${timeline.losses}`;
    const movie = this.#movies.get(key) ?? openMovie(tracks);
    this.#movies.delete(key);
    this.#movies.set(key, movie);
    movie.catch(() => this.#movies.delete(key));
    const [oldest] = this.#movies.keys();
    if (this.#movies.size > MOVIES_KEPT && oldest !== undefined) this.#movies.delete(oldest);
    return movie;
  }
}

/** The best picture and the sound of what is there. A class without any moving picture has sound alone. */
function movieTracks(dir: string, timeline: Timeline): MovieTrack[] {
  const rows = timeline.playable;
  const shifts = shiftsOf(rows);
  const segments = (labelOf: (slots: readonly string[]) => string | undefined): MovieSegment[] =>
    rows.flatMap((row, index) => {
      const label = labelOf(row.slots);
      const config = timeline.inits.get(row.segments[label ?? '']?.init ?? -1);
      return label === undefined || config === undefined
        ? []
        : [{ path: join(dir, segmentFile(row.n, label)), config, earlierUs: shifts[index] ?? 0 }];
    });
  const moves = rows.some((row) => row.slots.at(-1) !== STILL);
  return [
    ...(moves ? [{ kind: 'video' as const, segments: segments((slots) => slots.at(-1)) }] : []),
    { kind: 'audio' as const, segments: segments(() => AUDIO) },
  ];
}

/** By how much each row is played earlier than it was on air, in µs: what was lost before it takes no time. */
function shiftsOf(rows: readonly Row[]): number[] {
  let earlierUs = 0;
  return rows.map((row, index) => {
    const before = rows[index - 1];
    if (before === undefined || before.n === row.n - 1) return earlierUs;
    const gaps = [AUDIO, row.slots.at(-1)].flatMap((label, kind) => {
      const from = before.segments[kind === 0 ? AUDIO : (before.slots.at(-1) ?? '')];
      const to = row.segments[label ?? ''];
      return from === undefined || to === undefined ? [] : [to.startUs - from.startUs - from.durationUs];
    });
    // Neither the sound nor the picture begins before the one before it ended.
    earlierUs += gaps.length === 0 ? 0 : Math.max(0, Math.min(...gaps));
    return earlierUs;
  });
}

/** A file name that people recognise (RFC 6266), with a plain one for old browsers. */
function disposition({ title, info }: Replay, format: string): string {
  const date = new Date(info.startedAtMs).toISOString().slice(0, 10);
  const name = `${title} ${date}.${format}`.replace(/[\\/:*?"<>|\p{Cc}]/gu, '_');
  const plain = name.replace(/[^\x20-\x7e]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()]/g, '_');
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
