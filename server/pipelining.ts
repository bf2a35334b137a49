// Requests that a client sends on one connection without waiting for the answers (RFC 9112 §9.3.2). All of
// them are begun, and each answer that waits for its turn keeps a file, or a piece of it, in this process.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Browsers and proxies ask for one thing at a time. */
export const MAX_PIPELINED = 8;

const underWay = new WeakMap<Socket, number>();

/** True if the request may be answered; the connection that asks for too much at once is cut off. */
export function isInTurn({ httpVersionMajor, socket }: IncomingMessage, response: ServerResponse): boolean {
  // HTTP/2 has a limit of its own for what is open at once.
  if (httpVersionMajor !== 1) return true;
  if (socket.destroyed) return false;
  const count = (underWay.get(socket) ?? 0) + 1;
  if (count > MAX_PIPELINED) {
    socket.destroy();
    return false;
  }
  underWay.set(socket, count);
  response.once('close', () => underWay.set(socket, (underWay.get(socket) ?? 1) - 1));
  return true;
}
