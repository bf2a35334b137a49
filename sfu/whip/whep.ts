// WHEP: a player watches what is on air on a channel, by WebRTC.
import { LecternError } from '#shared/contract/errors.ts';
import type { Rooms } from '../room/rooms.ts';
import { requireAllowed, type Decide } from './access.ts';
import type { OfferAttempt, Opened } from './endpoint.ts';

/** Makes what opens a WHEP session. It throws LecternError. */
export function whepOpener(rooms: Rooms, decide: Decide): (attempt: OfferAttempt) => Promise<Opened> {
  return async ({ channel, offer, query, request, ip, onGone }) => {
    const { referer } = request.headers;
    const ask = () =>
      decide({
        action: 'play',
        protocol: 'whep',
        channel,
        query: query.toString(),
        ip,
        ...(referer === undefined ? {} : { referer }),
      });
    requireAllowed(await ask());
    const onAir = rooms.onAirAt(channel);
    if (onAir === undefined) throw new LecternError('not-live');
    return onAir.audience.watch(offer, ask, onGone);
  };
}
