// HLS of what is on air: `/live/<channel>/index.m3u8`, `dvr.m3u8`, `audio.m3u8`, and what they name.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { LecternError } from '#shared/contract/errors.ts';
import { LruMap } from '#shared/lru-map.ts';
import type { RecordingStore } from '../../store/recording-store.ts';
import type { SegmentLog } from '../../store/segment-log.ts';
import { parsePartFile } from '../../store/segment-timeline.ts';
import type { Egress } from '../../outputs/outputs.ts';
import { sendPlaylist, signedQuery } from '../http/http-media.ts';
import { KEY_NAME, type SegmentEncryption } from './encryption.ts';
import { multivariantOf, audioOnly } from '../../hls/multivariant.ts';
import { sendPart } from '../../hls/parts.ts';
import {
  isReached,
  labelOf,
  playlistName,
  renditionPlaylist,
  type Rendition,
  type View,
} from '../../hls/playlists.ts';
import { checkAhead, readReload, type Reload } from './reload.ts';
import { sendKey, sendMediaFile } from '../../hls/segments.ts';

/** For how long the list of renditions holds, in s. */
const MULTIVARIANT_MAX_AGE_S = 1;
/** A playlist that was waited for stays the answer to just that question for a while, in s. */
const WAITED_MAX_AGE_S = 1;
/** The list with nothing but the sound in it. */
const AUDIO_ONLY = 'audio.m3u8';
/** Stands for a viewer's query in playlists that are kept. */
const QUERY = '~query~';
/** Playlists that are kept: renditions and views of some broadcasts, each as it is now. */
const MAX_KEPT = 256;

const MULTIVARIANT: Readonly<Record<string, View>> = {
  'index.m3u8': 'live',
  'dvr.m3u8': 'event',
  [AUDIO_ONLY]: 'live',
};

/** A playlist's file name as a rendition and a view; undefined if it is none. */
export function parsePlaylistName(name: string): { rendition: Rendition; isDvr: boolean } | undefined {
  const match = /^(?:v([0-2])|audio)(-dvr)?\.m3u8$/.exec(name);
  if (match === null) return undefined;
  return { rendition: match[1] === undefined ? 'audio' : Number(match[1]), isDvr: match[2] !== undefined };
}

export class LiveHls {
  readonly #egress: Egress;
  readonly #store: RecordingStore;
  readonly #encryption: SegmentEncryption | undefined;
  readonly #kept = new LruMap<string, { version: string; text: string }>(MAX_KEPT);

  /** With `encryption`, segments are encrypted as a whole and there are no parts. */
  constructor(egress: Egress, store: RecordingStore, encryption?: SegmentEncryption) {
    this.#egress = egress;
    this.#store = store;
    this.#encryption = encryption;
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
    if (recording?.timeline.targetS === undefined) throw new LecternError('not-live');
    const { id } = recording.info;
    const uriOf = (rendition: Rendition) => `${id}/${playlistName(rendition, view)}`;
    const { timeline } = recording;
    const signed = signedQuery(query);
    const text =
      name === AUDIO_ONLY
        ? audioOnly(timeline, uriOf('audio'), signed)
        : multivariantOf(timeline, view, uriOf, signed);
    await sendPlaylist(request, response, text, MULTIVARIANT_MAX_AGE_S);
  }

  /**
   * Sends a rendition's playlist or one of its files; returns the media bytes sent. `viewer` names who
   * asks. Throws LecternError `not-live`, `not-found`, `bad-request`, or `service-unavailable` if too
   * many wait.
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
    if (playlist === undefined) return this.#sendFile(request, response, recording, at.name);
    const { rendition, isDvr } = playlist;
    if (rendition !== 'audio' && rendition >= recording.timeline.slotCount)
      throw new LecternError('not-found');
    this.#egress.hlsViewers.saw(at.channel, viewer);
    const reload = readReload(query);
    await this.#wait(recording, rendition, reload);
    if (response.destroyed) return 0;
    const text = this.#playlist(recording, rendition, isDvr ? 'event' : 'live', reload, signedQuery(query));
    await recording.kept();
    await sendPlaylist(request, response, text, reload.until === undefined ? 0 : WAITED_MAX_AGE_S);
    return 0;
  }

  #sendFile(
    request: IncomingMessage,
    response: ServerResponse,
    recording: SegmentLog,
    name: string,
  ): Promise<number> {
    const { dir, timeline, info } = recording;
    const encryption = this.#encryption;
    if (encryption !== undefined && name === KEY_NAME) return sendKey(response, encryption.keyOf(info.id));
    const part = encryption === undefined ? parsePartFile(name) : undefined;
    if (part !== undefined) return sendPart(request, response, recording, name, part);
    const inMemory = (file: string) => recording.inMemory(file);
    const cipherFor = encryption && ((n: number) => encryption.cipher(info.id, n));
    const missing = () => recording.missing();
    return sendMediaFile(request, response, { dir, timeline, inMemory, cipherFor, missing }, name);
  }

  /** Resolves when what the player waits for is there. */
  async #wait({ timeline, edge, isOver }: SegmentLog, rendition: Rendition, reload: Reload): Promise<void> {
    const { until } = reload;
    if (until === undefined || isOver) return;
    const { plan } = edge;
    const growing = plan && edge.segment(timeline.nextRow, labelOf(plan, rendition));
    checkAhead(reload, timeline.nextRow, growing?.parts.length ?? 0);
    // Encrypted segments have no parts: their row is what can be waited for.
    const part = this.#encryption === undefined ? until.part : undefined;
    const key = `${rendition} ${until.n} ${part ?? ''}`;
    await edge.until(key, () => isReached(timeline, edge, rendition, until.n, part));
    const row = edge.plan ?? timeline.rows.at(-1);
    const restMs = part === undefined || row === undefined ? 0 : edge.restMs(labelOf(row, rendition));
    if (restMs > 0) await sleep(restMs);
  }

  /** The playlist for one viewer: all get the same but for their query. */
  #playlist(
    { timeline, edge, isOver, info }: SegmentLog,
    rendition: Rendition,
    view: View,
    { isDelta }: Reload,
    query: string,
  ): string {
    const keyUri = this.#encryption && KEY_NAME;
    const more = { edge, isDelta, keyUri };
    const write = (of: string) => renditionPlaylist(timeline, rendition, view, isOver, of, more);
    if (query === '') return write(query);
    const key = `${info.id} ${rendition} ${view} ${isDelta ? 'delta' : 'whole'}`;
    const version = `${edge.version} ${timeline.absences} ${isOver ? 'over' : 'on air'}`;
    let kept = this.#kept.get(key);
    if (kept?.version !== version) {
      kept = { version, text: write(QUERY) };
      this.#kept.set(key, kept);
    }
    return kept.text.replaceAll(QUERY, () => query);
  }
}
