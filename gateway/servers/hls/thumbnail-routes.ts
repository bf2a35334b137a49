// Small pictures for the seek bar: `/live/<channel>/thumb-<s>.jpg` and `/replay/<recording>/thumb-<s>.jpg`.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { momentAt } from '../../hls/moments.ts';
import { rowsOf } from '../../hls/playlists.ts';
import type { Egress } from '../../outputs/outputs.ts';
import type { RecordingStore } from '../../store/recording-store.ts';
import type { Thumbnails } from '../../store/thumbnails.ts';
import { memoryBody, sendRanged } from '../http/http-media.ts';

export interface ThumbnailRoutesOptions {
  readonly egress: Egress;
  readonly store: RecordingStore;
  readonly thumbnails: Thumbnails;
  /** Playlists of what is complete have gaps then, as those of what is on air. */
  readonly isEncrypted: boolean;
}

export class ThumbnailRoutes {
  readonly #options: ThumbnailRoutesOptions;

  constructor(options: ThumbnailRoutesOptions) {
    this.#options = options;
  }

  /**
   * Sends the picture of second `atS` of `dvr.m3u8` of a channel, or `index.m3u8` of a recording, to who asks from
   * `address`; returns the bytes sent. Throws LecternError `not-live`, `not-found`, `rate-limited` or
   * `service-unavailable`.
   */
  async send(
    request: IncomingMessage,
    response: ServerResponse,
    of: { readonly channel: string } | { readonly recording: string },
    atS: number,
    address: string,
  ): Promise<number> {
    const { egress, store, thumbnails, isEncrypted } = this.#options;
    const isLive = 'channel' in of;
    const id = isLive ? egress.onAir(of.channel)?.info.id : of.recording;
    const found = id === undefined ? undefined : await store.replay(id);
    if (id === undefined || found === undefined) throw new LecternError(isLive ? 'not-live' : 'not-found');
    const { dir, timeline } = found;
    const view = found.isOver && !isLive ? 'vod' : 'event';
    const moment = momentAt(rowsOf(timeline, view, isEncrypted), atS);
    if (moment === undefined) throw new LecternError('not-found');
    const inMemory = (name: string) => store.recording(id)?.inMemory(name);
    const at = { recording: id, dir, timeline, inMemory };
    const jpeg = await thumbnails.of(at, moment.row, moment.around, address);
    return sendRanged(request, response, memoryBody([jpeg]), {
      'content-type': 'image/jpeg',
      // A channel has another broadcast tomorrow, and a recording may be trimmed: the same second is of another moment.
      'cache-control': 'private, no-cache',
    });
  }
}
