// The socket server: lets in who has a good ticket, welcomes them, and tells the room when they go.
import type { Server as HttpServer } from 'node:http';
import { Server, type Socket } from 'socket.io';
import type { ServerOptions } from 'ws';
import { LecternError } from '#shared/contract/errors.ts';
import { Handshake, MAX_SIGNAL_BYTES } from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { MAX_TIMER_MS } from '#shared/domain/timers.ts';
import { check } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import type { Rooms } from '../room/rooms.ts';
import { clientOf } from '#server/forwarded.ts';
import { GuardedSockets } from '#server/web-sockets.ts';
import { bind } from './bind.ts';
import { Callers, type Visit } from './callers.ts';
import { guardConnection, terminate, type Connection } from './connection.ts';
import { SocketLink } from './link.ts';
import type { Messages } from './messages.ts';
import { guardPolling } from './polling.ts';
import type { Allowance } from './rates.ts';
import { Refusals, type SocketEnd } from './refusals.ts';
import { Strangers } from './strangers.ts';
import { ticketVerifier } from './ticket.ts';

/** A socket that answers no ping for this long in all is lost: a dead network shows within 10 s. */
const PING_INTERVAL_MS = 4_000;
const PING_TIMEOUT_MS = 6_000;
/** How long a connection may take to show its ticket. */
const HANDSHAKE_MS = 10_000;

export interface SignallingServerOptions {
  readonly http: HttpServer;
  readonly rooms: Rooms;
  /** Signs tickets. */
  readonly secret: string;
  readonly trustedProxies: ReadonlySet<string>;
  readonly log: Log;
}

export interface SignallingServer {
  /** How many sockets are connected. */
  size(): number;
  readonly refusals: Refusals;
  close(): void;
}

/** What the handshake established; socket.io keeps it with the socket. */
interface Guest {
  readonly ticket: Ticket;
  readonly session: string | undefined;
  readonly allowance: Allowance;
}

/** Takes one message of each socket at a time: what hundreds send in one piece would keep everyone else waiting. */
class FairSockets extends GuardedSockets {
  constructor(options?: ServerOptions) {
    super({ ...options, allowSynchronousEvents: false });
  }
}

/** What all sockets of a server share. */
interface Shared {
  readonly rooms: Rooms;
  readonly callers: Callers;
  readonly refusals: Refusals;
  readonly log: Log;
}

/**
 * Serves socket.io at `/socket.io/` of `http`. There is no CORS: the page comes from the same origin
 * through the door, and other origins cannot read what polling answers.
 */
export function serveSignalling({
  http,
  rooms,
  secret,
  trustedProxies,
  log,
}: SignallingServerOptions): SignallingServer {
  const verify = ticketVerifier(secret);
  const guests = new WeakMap<Socket, Guest>();
  /** Says of a connection whose it is. */
  const belongs = new WeakMap<Connection, (person: Messages) => void>();
  const refusals = new Refusals();
  const callers = new Callers(Date.now);
  const strangers = new Strangers();
  const io = new Server(http, {
    transports: ['websocket', 'polling'],
    maxHttpBufferSize: MAX_SIGNAL_BYTES,
    // A compressor for each answer costs more memory than what is left to send.
    httpCompression: false,
    wsEngine: FairSockets,
    serveClient: false,
    pingInterval: PING_INTERVAL_MS,
    pingTimeout: PING_TIMEOUT_MS,
    connectTimeout: HANDSHAKE_MS,
  });
  const cut = (conn: Connection, reason: SocketEnd) => {
    refusals.cuts.add(reason);
    log.info({ reason, address: clientOf(conn.request, trustedProxies).ip }, 'a socket was cut off');
  };
  guardPolling(io.engine, () => refusals.cuts.add('unread'));
  io.engine.on('connection', (conn: Connection) => {
    conn.once('close', () => strangers.leave(conn));
    const isCrowd = strangers.enter(conn, clientOf(conn.request, trustedProxies).ip);
    if (isCrowd) refusals.count('handshake', 'rate-limited');
    belongs.set(
      conn,
      guardConnection(conn, (reason) => cut(conn, reason)),
    );
  });

  io.use((socket, next) => {
    const admit = async () => {
      // One connection shows one ticket, once.
      if (!strangers.shows(socket.conn)) throw new LecternError('bad-request');
      const { ticket: token, session } = check(Handshake, socket.handshake.auth);
      const ticket = await verify(token);
      const allowance = callers.admit(ticket);
      belongs.get(socket.conn)?.(allowance.messages);
      rooms.enter(ticket);
      guests.set(socket, { ticket, session, allowance });
      strangers.leave(socket.conn);
    };
    admit().then(
      () => next(),
      (error: unknown) => {
        const refused = asRefusal(error, log);
        refusals.count('handshake', refused.code);
        // socket.io hands `data` of the error to the client's `connect_error`.
        next(Object.assign(new Error(refused.message), { data: refused.toBody() }));
        setImmediate(() => socket.conn.close());
      },
    );
  });

  io.on('connection', (socket) => {
    const guest = guests.get(socket);
    if (guest === undefined) socket.disconnect(true);
    else welcome(socket, guest, { rooms, callers, refusals, log }, (reason) => cut(socket.conn, reason));
  });

  return {
    size: () => io.engine.clientsCount,
    refusals,
    close() {
      // Only the connections are cut, without a goodbye: to a client that is a lost network, and it
      // comes back by itself. The HTTP server is left to its owner.
      io.engine.close();
    },
  };
}

function welcome(
  socket: Socket,
  { ticket, session, allowance }: Guest,
  { rooms, callers, refusals, log }: Shared,
  cut: (reason: SocketEnd) => void,
): void {
  const link = new SocketLink(socket, () => cut('unsent'));
  const room = () => rooms.get(ticket.room);
  let expiry: NodeJS.Timeout | undefined;
  const watchExpiry = () => {
    const leftMs = ticket.exp * 1_000 - Date.now();
    if (leftMs > 0) {
      expiry = setTimeout(watchExpiry, Math.min(leftMs, MAX_TIMER_MS));
      return;
    }
    room()?.expire(ticket.sub, link);
    // Anyone who did not join yet hears of it too.
    if (link.open) link.send('room:closed', { reason: 'ticket-expired' });
    link.close();
  };
  watchExpiry();
  const visit: Visit = {
    giveWay(reason) {
      cut(reason);
      // A page that was told does not come again by itself, and put out another in its turn.
      if (reason === 'too-many') {
        link.send('room:closed', { reason: 'replaced' });
        link.close();
      } else terminate(socket.conn);
    },
  };
  callers.enter(ticket, visit);
  socket.on('disconnect', () => {
    clearTimeout(expiry);
    callers.leave(ticket, visit);
    room()?.lost(ticket.sub, link);
  });
  const onJoined = () => callers.joined(ticket, visit);
  bind({ socket, link, ticket, session, allowance, onJoined, rooms, refusals, log });
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

function asRefusal(error: unknown, log: Log): LecternError {
  if (error instanceof LecternError) return error;
  log.error({ err: error }, 'handshake failed');
  return new LecternError('internal-error');
}
