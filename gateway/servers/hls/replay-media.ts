// What a replay of one recording and one of several have in common: their playlists, and where their segments are.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { multivariantOf } from '../../hls/multivariant.ts';
import { playlistName, renditionPlaylist, type Rendition } from '../../hls/playlists.ts';
import type { SegmentSource } from '../../hls/segments.ts';
import type { RecordingStore, Replay } from '../../store/recording-store.ts';
import { sendPlaylist, signedQuery } from '../http/http-media.ts';
import { parsePlaylistName } from './live-routes.ts';

/** Those of a finished recording change as well: it may be trimmed, or erased. */
const MAX_AGE_S = 1;

/** What playlists are made of. */
interface Listed extends Pick<Replay, 'timeline' | 'isOver'> {
  /** Resolves once what they name is on disk. */
  kept(): Promise<void> | undefined;
}

/**
 * Sends the playlist `name`, with the address of the key to its segments if they are encrypted; false if it is the
 * name of none. Throws LecternError `not-found`.
 */
export async function sendReplayPlaylist(
  request: IncomingMessage,
  response: ServerResponse,
  { timeline, isOver, kept }: Listed,
  name: string,
  query: URLSearchParams,
  keyUri: string | undefined,
): Promise<boolean> {
  const view = isOver ? 'vod' : 'event';
  if (name === 'index.m3u8') {
    const uriOf = (rendition: Rendition) => playlistName(rendition, 'vod');
    const text = multivariantOf(timeline, view, uriOf, signedQuery(query));
    await sendPlaylist(request, response, text, MAX_AGE_S);
    return true;
  }
  const playlist = parsePlaylistName(name);
  if (playlist === undefined) return false;
  const { rendition, isDvr } = playlist;
  if (isDvr || (rendition !== 'audio' && rendition >= timeline.slotCount))
    throw new LecternError('not-found');
  const text = renditionPlaylist(timeline, rendition, view, isOver, signedQuery(query), { keyUri });
  await kept();
  await sendPlaylist(request, response, text, MAX_AGE_S);
  return true;
}

/** Where the segments of a recording come from. */
export function segmentsOf(store: RecordingStore, { info: { id }, dir, timeline }: Replay): SegmentSource {
  const open = store.recording(id);
  return {
    dir,
    timeline,
    inMemory: (file) => open?.inMemory(file),
    missing: () => store.missing(id),
  };
}
