// What one connection may make this process hold and do. A browser that reads no more still answers pings,
// so nothing else ends it: what it is sent would wait here until the memory is gone.
import type { Socket } from 'socket.io';
import { Messages } from './messages.ts';

/** An engine.io connection. */
export type Connection = Socket['conn'];

/**
 * The most that may wait for one connection, in bytes. The largest answer, a join of a full room with
 * everyone on stage, is about half of it.
 */
export const MAX_UNSENT_BYTES = 2 * 1024 * 1024;
/** A connection that took nothing for so long, in ms, takes nothing any more. */
const STALL_MS = 15_000;

export type CutReason = 'unsent' | 'stalled' | 'flood';

/**
 * Calls `onCut` once, when this connection went beyond a bound; it is ended then. Returns what says by whom it is, once
 * that is known: until then its messages are counted for itself.
 */
export function guardConnection(
  conn: Connection,
  onCut: (reason: CutReason) => void,
): (person: Messages) => void {
  let messages = new Messages(Date.now());
  /** Bytes in engine.io's own buffer, which the transport has not taken yet. */
  let queued = 0;
  let takenAtMs = Date.now();
  let open = true;
  const cut = (reason: CutReason) => {
    if (!open) return;
    open = false;
    onCut(reason);
    terminate(conn);
  };
  conn.on('packetCreate', ({ data }: { data?: unknown }) => {
    queued += sizeOf(data);
    if (queued + handedOver(conn) > MAX_UNSENT_BYTES) cut('unsent');
    // A ping is sent every few seconds, so this is looked at though nothing else happens.
    else if (!conn.transport.writable && Date.now() - takenAtMs > STALL_MS) cut('stalled');
  });
  conn.on('flush', () => {
    queued = 0;
    takenAtMs = Date.now();
  });
  conn.on('packet', ({ data }: { data?: unknown }) => {
    if (!messages.take(Date.now(), sizeOf(data))) cut('flood');
  });
  return (person) => (messages = person);
}

/** Ends a connection at once, with all that waits for it. */
export function terminate(conn: Connection): void {
  const socket = webSocketOf(conn);
  if (socket === undefined) conn.close(true);
  else socket.terminate();
}

function sizeOf(data: unknown): number {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return data instanceof Uint8Array ? data.byteLength : 0;
}

/** What the transport took and the network did not yet, in bytes. */
function handedOver(conn: Connection): number {
  return webSocketOf(conn)?.bufferedAmount ?? 0;
}

interface Ws {
  readonly bufferedAmount: number;
  terminate(): void;
}

/** The WebSocket below, of `ws`; engine.io does not declare it. Undefined while polling. */
function webSocketOf(conn: Connection): Ws | undefined {
  return (conn.transport as unknown as { socket?: Ws }).socket;
}
