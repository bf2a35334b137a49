// HLS of what is on air: `/live/<channel>/index.m3u8`, `dvr.m3u8`, and what they name.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import type { RecordingStore } from '../../store/recording-store.ts';
import type { Recording } from '../../store/recording.ts';
import type { Egress } from '../egress.ts';
import { sendPlaylist, signedQuery } from '../http-media.ts';
import { multivariantOf, renditionPlaylist, type Rendition, type View } from './playlists.ts';
import { sendMediaFile } from './segments.ts';

/** For how long a live playlist holds; a new row comes every two seconds. */
const LIVE_MAX_AGE_S = 1;

const MULTIVARIANT: Readonly<Record<string, View>> = { 'index.m3u8': 'live', 'dvr.m3u8': 'event' };

/** A playlist's file name as a rendition and a view; undefined if it is none. */
export function parsePlaylistName(name: string): { rendition: Rendition; isDvr: boolean } | undefined {
  const match = /^(?:v([0-2])|audio)(-dvr)?\.m3u8$/.exec(name);
  if (match === null) return undefined;
  return { rendition: match[1] === undefined ? 'audio' : Number(match[1]), isDvr: match[2] !== undefined };
}

export const renditionName = (rendition: Rendition) => (rendition === 'audio' ? 'audio' : `v${rendition}`);

export class LiveHls {
  readonly #egress: Egress;
  readonly #store: RecordingStore;

  constructor(egress: Egress, store: RecordingStore) {
    this.#egress = egress;
    this.#store = store;
  }

  /** Sends the multivariant playlist `name`. Throws LecternError `not-live` or `not-found`. */
  async sendMultivariant(
    request: IncomingMessage,
    response: ServerResponse,
    channel: string,
    name: string,
    query: URLSearchParams,
  ): Promise<void> {
    const view = MULTIVARIANT[name];
    if (view === undefined) throw new LecternError('not-found');
    const recording = this.#egress.onAir(channel);
    if (recording === undefined || recording.timeline.rows.length === 0) throw new LecternError('not-live');
    const { id } = recording.info;
    const suffix = view === 'live' ? '' : '-dvr';
    const uriOf = (rendition: Rendition) => `${id}/${renditionName(rendition)}${suffix}.m3u8`;
    const text = multivariantOf(recording.timeline, view, uriOf, signedQuery(query));
    await sendPlaylist(request, response, text, LIVE_MAX_AGE_S);
  }

  /**
   * Sends a rendition's playlist or one of its files; returns the media bytes sent. `viewer` names who
   * asks. Throws LecternError `not-live` or `not-found`.
   */
  async sendPart(
    request: IncomingMessage,
    response: ServerResponse,
    at: { channel: string; broadcast: string; name: string },
    query: URLSearchParams,
    viewer: string,
  ): Promise<number> {
    const recording = this.#store.recording(at.broadcast);
    if (recording === undefined || recording.info.channel !== at.channel) throw new LecternError('not-live');
    const playlist = parsePlaylistName(at.name);
    if (playlist === undefined) return sendMediaFile(request, response, sourceOf(recording), at.name);
    const { timeline, isOver } = recording;
    if (playlist.rendition !== 'audio' && playlist.rendition >= timeline.slotCount) {
      throw new LecternError('not-found');
    }
    this.#egress.hlsViewers.saw(at.channel, viewer);
    const view = playlist.isDvr ? 'event' : 'live';
    const text = renditionPlaylist(timeline, playlist.rendition, view, isOver, signedQuery(query));
    await sendPlaylist(request, response, text, LIVE_MAX_AGE_S);
    return 0;
  }
}

function sourceOf(recording: Recording) {
  return {
    dir: recording.dir,
    timeline: recording.timeline,
    inMemory: (name: string) => recording.inMemory(name),
  };
}
