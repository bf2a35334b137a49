// WHEP: a player watches what is on air on a channel, by WebRTC.
import { LecternError } from '#shared/contract/errors.ts';
import { PlaybackQuery } from '#shared/contract/playback.ts';
import type { Rooms } from '../room/rooms.ts';
import type { Decide } from './access.ts';
import type { Attempt, Opened } from './endpoint.ts';

/** A signature that has run out is refused from the next second on. */
const AFTER_EXPIRY_MS = 1_000;
/** The longest delay that a Node timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Makes what opens a WHEP session. It throws LecternError. */
export function whepOpener(rooms: Rooms, decide: Decide): (attempt: Attempt) => Promise<Opened> {
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
    await ask();
    const onAir = rooms.onAirAt(channel);
    if (onAir === undefined) throw new LecternError('not-live');
    let expiry: NodeJS.Timeout | undefined;
    const viewer = await onAir.audience.watch(offer, ask, () => {
      clearTimeout(expiry);
      onGone();
    });
    const expires = PlaybackQuery.shape.expires.safeParse(query.get('expires'));
    if (expires.success) {
      const inMs = expires.data * 1_000 - Date.now() + AFTER_EXPIRY_MS;
      // Whether it matters is for the rules to say: a channel may be open to all.
      expiry = setTimeout(() => void ask().catch(() => viewer.close()), Math.min(inMs, MAX_TIMER_MS));
    }
    return viewer;
  };
}
