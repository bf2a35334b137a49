// WHIP: a program publishes to the room of the lesson that its key names.
import { LecternError } from '#shared/contract/errors.ts';
import { broadcast } from '../room/features/broadcast/on-air.ts';
import type { Rooms } from '../room/rooms.ts';
import { requireAllowed, type Decide } from './access.ts';
import type { OfferAttempt, Opened } from './endpoint.ts';

/** Until somebody with a ticket came, nobody knows the title of the class. */
const TITLE = 'Live class';

/** Makes what opens a WHIP session. It throws LecternError. */
export function whipOpener(rooms: Rooms, decide: Decide): (attempt: OfferAttempt) => Promise<Opened> {
  return async ({ channel, id, offer, query, request, ip, onGone }) => {
    const [scheme = '', token] = (request.headers.authorization ?? '').split(' ', 2);
    const key = scheme.toLowerCase() === 'bearer' ? token : query.get('key');
    if (key == null || key === '') throw new LecternError('unauthorized', 'Send the stream key as Bearer.');
    const ask = () =>
      decide({
        action: 'publish',
        protocol: 'whip',
        channel,
        query: new URLSearchParams({ key }).toString(),
        ip,
      });
    const answer = await ask();
    requireAllowed(answer);
    const { lesson } = answer;
    if (lesson === undefined) throw new LecternError('publish-key-invalid');
    const name = /\bobs\b/i.test(request.headers['user-agent'] ?? '') ? 'OBS' : 'WHIP';
    const publication = { id, kind: 'whip', name, channel, title: TITLE } as const;
    return rooms.publishTo(lesson).get(broadcast).onAir.publishWhip(publication, offer, ask, onGone);
  };
}
