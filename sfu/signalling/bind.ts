// The one place where a request from a socket is validated, checked for joining and permission, called
// and acknowledged. Whatever arrives here, nobody but its sender notices.
import type { Socket } from 'socket.io';
import { LecternError } from '#shared/contract/errors.ts';
import {
  permissionFor,
  REQUESTS,
  type Ack,
  type RequestData,
  type RequestName,
} from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { check } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import type { Rooms } from '../room/rooms.ts';
import type { SocketLink } from './link.ts';
import type { Allowance } from './rates.ts';
import type { Refusals } from './refusals.ts';

export interface Bound {
  readonly socket: Socket;
  readonly link: SocketLink;
  readonly ticket: Ticket;
  /** The session of the handshake. */
  readonly session: string | undefined;
  readonly allowance: Allowance;
  /** Called for each join that succeeded. */
  readonly onJoined: () => void;
  readonly rooms: Rooms;
  readonly refusals: Refusals;
  readonly log: Log;
}

/** Made once: a flood of requests is answered with it. */
const TOO_OFTEN: Ack<unknown> = { ok: false, ...new LecternError('rate-limited').toBody() };

type Acknowledge = (answer: Ack<unknown>) => void;

/** Answers the requests of a socket until it is gone. */
export function bind(bound: Bound): void {
  const { socket, link, allowance, refusals, log } = bound;
  let joining = false;

  const refuse = (name: string, error: unknown, acknowledge: Acknowledge) => {
    if (!(error instanceof LecternError)) log.error({ err: error, request: name }, 'request failed');
    const { code, message } = LecternError.from(error);
    refusals.count(name, code);
    acknowledge({ ok: false, error: { code, message } });
  };

  const answer = async (name: string, input: unknown, acknowledge: Acknowledge) => {
    try {
      if (name !== 'room:join') {
        acknowledge({ ok: true, data: await run(bound, name, input) });
        return;
      }
      if (joining) throw new LecternError('conflict', 'This join is under way.');
      joining = true;
      link.hold();
      try {
        acknowledge({ ok: true, data: await join(bound, check(REQUESTS[name].in, input)) });
      } finally {
        joining = false;
        link.release();
      }
      bound.onJoined();
    } catch (error) {
      refuse(name, error, acknowledge);
    }
  };

  socket.onAny((name: string, ...args: unknown[]) => {
    const last = args.at(-1);
    // Without a way to answer there is no request. The connection counts them all the same.
    if (typeof last !== 'function') return;
    const acknowledge = last as Acknowledge;
    if (allowance.request(name, Date.now())) void answer(name, args.length === 1 ? {} : args[0], acknowledge);
    else {
      refusals.count(name, 'rate-limited');
      acknowledge(TOO_OFTEN);
    }
  });
}

async function run(bound: Bound, name: string, input: unknown): Promise<unknown> {
  if (!isRequest(name) || name === 'room:join')
    throw new LecternError('bad-request', 'There is no such request.');
  return call(bound, name, input);
}

function join({ rooms, ticket, link, session }: Bound, data: RequestData<'room:join'>) {
  return rooms.enter(ticket).join({ ticket, link, session }, data);
}

/** Joining is the one request of somebody who is no peer yet. */
async function call<N extends Exclude<RequestName, 'room:join'>>(
  bound: Bound,
  name: N,
  input: unknown,
): Promise<unknown> {
  const { rooms, ticket, link } = bound;
  const data = check(REQUESTS[name].in, input) as RequestData<N>;
  const room = rooms.get(ticket.room);
  if (room === undefined) throw new LecternError('not-joined');
  const peer = room.peerBy(ticket.sub, link);
  const permission = permissionFor(name, data);
  if (permission !== null) peer.require(permission);
  return room.answer(name, { peer, ticket }, data);
}

/** Own names only: `constructor` and `__proto__` are no requests. */
function isRequest(name: string): name is RequestName {
  return Object.hasOwn(REQUESTS, name);
}
