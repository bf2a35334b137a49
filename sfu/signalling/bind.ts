// The one place where a request from a socket is validated, checked for joining and permission, called
// and acknowledged. Whatever arrives here, nobody but its sender notices.
import type { Socket } from 'socket.io';
import { LecternError } from '#shared/contract/errors.ts';
import { REQUESTS, type Ack, type RequestData, type RequestName } from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { check } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import type { Rooms } from '../room/rooms.ts';
import { permissionFor } from '../room/rules.ts';
import { TokenBucket } from './bucket.ts';
import { HANDLERS, type Handler, type PeerRequest } from './handlers.ts';
import type { SocketLink } from './link.ts';

/** A burst as large as a layout of many tiles makes it, then a steady rate. */
const BURST = 200;
const REQUESTS_PER_SECOND = 40;
/** A socket that goes on after this many refusals for its rate is cut off. */
const MAX_FLOOD = 2_000;

export interface Bound {
  readonly socket: Socket;
  readonly link: SocketLink;
  readonly ticket: Ticket;
  /** The session of the handshake. */
  readonly session: string | undefined;
  readonly rooms: Rooms;
  readonly log: Log;
}

type Acknowledge = (answer: Ack<unknown>) => void;

/** Answers the requests of a socket until it is gone. */
export function bind(bound: Bound): void {
  const { socket, link, log } = bound;
  const bucket = new TokenBucket(BURST, REQUESTS_PER_SECOND, Date.now());
  let refused = 0;

  const answer = async (name: string, input: unknown, acknowledge: Acknowledge) => {
    const joining = name === 'room:join';
    if (joining) link.hold();
    try {
      acknowledge({ ok: true, data: await run(bound, name, input) });
    } catch (error) {
      if (!(error instanceof LecternError)) log.error({ err: error, request: name }, 'request failed');
      const { code, message } = error instanceof LecternError ? error : new LecternError('internal-error');
      acknowledge({ ok: false, error: { code, message } });
    } finally {
      if (joining) link.release();
    }
  };

  socket.onAny((name: string, ...args: unknown[]) => {
    const last = args.at(-1);
    // Without a way to answer there is no request.
    if (typeof last !== 'function') return;
    const acknowledge = last as Acknowledge;
    if (!bucket.take(Date.now())) {
      refused += 1;
      const { code, message } = new LecternError('rate-limited');
      acknowledge({ ok: false, error: { code, message } });
      if (refused >= MAX_FLOOD) socket.disconnect(true);
      return;
    }
    void answer(name, args.length === 1 ? {} : args[0], acknowledge);
  });
}

async function run(bound: Bound, name: string, input: unknown): Promise<unknown> {
  if (!isRequest(name)) throw new LecternError('bad-request', 'There is no such request.');
  if (name === 'room:join') return join(bound, check(REQUESTS[name].in, input));
  return call(bound, name, input);
}

function join({ rooms, ticket, link, session }: Bound, data: RequestData<'room:join'>) {
  return rooms.enter(ticket).join({ ticket, link, session }, data);
}

async function call<N extends PeerRequest>(bound: Bound, name: N, input: unknown): Promise<unknown> {
  const { rooms, ticket, link } = bound;
  // The schema of a name belongs to the handler of the same name; TypeScript cannot follow that.
  const data = check(REQUESTS[name].in, input) as RequestData<N>;
  const room = rooms.get(ticket.room);
  if (room === undefined) throw new LecternError('not-joined');
  const peer = room.peerBy(ticket.sub, link);
  const permission = permissionFor(name, data);
  if (permission !== null) peer.require(permission);
  const handler: Handler<N> = HANDLERS[name];
  return handler({ room, peer, ticket }, data);
}

/** Own names only: `constructor` and `__proto__` are no requests. */
function isRequest(name: string): name is RequestName {
  return Object.hasOwn(REQUESTS, name);
}
