// The SFU's internal API, as publications see it.
import { z } from 'zod';
import { EncoderAnswer } from '#shared/contract/internal.ts';
import { callInternal } from '#server/internal-client.ts';
import type { Rooms } from '../publication.ts';

/** Speaks to the SFU at `url` with the internal secret. */
export function roomsClient(url: string, secret: string): Rooms {
  const address = (room: string) => `${url}/internal/rooms/${encodeURIComponent(room)}/encoder`;
  return {
    put: (room, state) => callInternal(secret, 'PUT', address(room), EncoderAnswer, state),
    async end(room, publication) {
      const query = new URLSearchParams({ publication });
      await callInternal(secret, 'DELETE', `${address(room)}?${query.toString()}`, z.unknown());
    },
  };
}
