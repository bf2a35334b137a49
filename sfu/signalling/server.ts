// The socket server: lets in who has a good ticket, welcomes them, and tells the room when they go.
import type { Server as HttpServer } from 'node:http';
import { Server, type Socket } from 'socket.io';
import { LecternError } from '#shared/contract/errors.ts';
import { Handshake, MAX_SIGNAL_BYTES } from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { check } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import type { Rooms } from '../room/rooms.ts';
import { bind } from './bind.ts';
import { SocketLink } from './link.ts';
import { ticketVerifier } from './ticket.ts';

/** A socket that answers no ping for this long in all is lost: a dead network shows within 10 s. */
const PING_INTERVAL_MS = 4_000;
const PING_TIMEOUT_MS = 6_000;
/** How long a connection may take to show its ticket. */
const HANDSHAKE_MS = 10_000;
/** The longest delay that a Node timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface SignallingOptions {
  readonly http: HttpServer;
  readonly rooms: Rooms;
  /** Signs tickets. */
  readonly secret: string;
  readonly log: Log;
}

export interface Signalling {
  /** How many sockets are connected. */
  size(): number;
  close(): void;
}

/** What the handshake established; socket.io keeps it with the socket. */
interface Guest {
  readonly ticket: Ticket;
  readonly session: string | undefined;
}

/**
 * Serves socket.io at `/socket.io/` of `http`. There is no CORS: the page comes from the same origin
 * through the door, and other origins cannot read what polling answers.
 */
export function serveSignalling({ http, rooms, secret, log }: SignallingOptions): Signalling {
  const verify = ticketVerifier(secret);
  const guests = new WeakMap<Socket, Guest>();
  const io = new Server(http, {
    transports: ['websocket', 'polling'],
    maxHttpBufferSize: MAX_SIGNAL_BYTES,
    serveClient: false,
    pingInterval: PING_INTERVAL_MS,
    pingTimeout: PING_TIMEOUT_MS,
    connectTimeout: HANDSHAKE_MS,
  });

  io.use((socket, next) => {
    const admit = async () => {
      const { ticket: token, session } = check(Handshake, socket.handshake.auth);
      const ticket = await verify(token);
      rooms.enter(ticket);
      guests.set(socket, { ticket, session });
    };
    admit().then(
      () => next(),
      (error: unknown) => next(refusal(error, log)),
    );
  });

  io.on('connection', (socket) => {
    const guest = guests.get(socket);
    if (guest === undefined) socket.disconnect(true);
    else welcome(socket, guest, rooms, log);
  });

  return {
    size: () => io.engine.clientsCount,
    close() {
      // Only the connections are cut, without a goodbye: to a client that is a lost network, and it
      // comes back by itself. The HTTP server is left to its owner.
      io.engine.close();
    },
  };
}

function welcome(socket: Socket, { ticket, session }: Guest, rooms: Rooms, log: Log): void {
  const link = new SocketLink(socket);
  const room = () => rooms.get(ticket.room);
  let expiry: NodeJS.Timeout | undefined;
  const watchExpiry = () => {
    const leftMs = ticket.exp * 1_000 - Date.now();
    if (leftMs > 0) {
      expiry = setTimeout(watchExpiry, Math.min(leftMs, MAX_TIMER_MS));
      return;
    }
    room()?.expire(ticket.sub, link);
    // Whoever did not join yet hears of it too.
    if (link.open) link.send('room:closed', { reason: 'ticket-expired' });
    link.close();
  };
  watchExpiry();
  socket.on('disconnect', () => {
    clearTimeout(expiry);
    room()?.lost(ticket.sub, link);
  });
  bind({ socket, link, ticket, session, rooms, log });
  Promise.resolve()
    .then(() => rooms.enter(ticket).welcome(ticket, link))
    .then(
      (data) => link.send('room:welcomed', data),
      (error: unknown) => {
        // No worker now: the browser comes again by itself.
        log.warn({ err: error, lesson: ticket.room }, 'a socket could not be welcomed');
        socket.conn.close();
      },
    );
}

/** socket.io hands `data` of the error to the client's `connect_error`. */
function refusal(error: unknown, log: Log): Error {
  if (!(error instanceof LecternError)) log.error({ err: error }, 'handshake failed');
  const refused = error instanceof LecternError ? error : new LecternError('internal-error');
  return Object.assign(new Error(refused.message), { data: refused.toBody() });
}
