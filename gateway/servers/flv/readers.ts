// HTTP responses and WebSockets as readers of a programme.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Reader } from '../../flv/fanout.ts';

/** How long a reader that is let go in order may take for what is still to be sent, in ms. */
const LAST_WORDS_MS = 5_000;

/**
 * The body of `response` goes to its socket as it is: it ends with the connection and is not chunked, and
 * thousands of writes a second need not pass through the layers between. `onFirst` is called when the first
 * bytes are handed over.
 */
export function httpReader(response: ServerResponse, socket: Socket, onFirst: () => void): Reader {
  let isFirst = true;
  return {
    write(...pieces) {
      writeAll(socket, pieces);
      if (isFirst) onFirst();
      isFirst = false;
    },
    backlog: () => socket.writableLength,
    close(how) {
      if (how === 'at-once') {
        response.destroy();
        return;
      }
      const timer = setTimeout(() => response.destroy(), LAST_WORDS_MS);
      response.once('close', () => clearTimeout(timer));
      response.end();
    },
  };
}

/** Writes all pieces with one call of the system. */
export function writeAll(socket: Socket, pieces: readonly Uint8Array[]): void {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) {
    socket.write(only);
    return;
  }
  socket.cork();
  for (const bytes of pieces) socket.write(bytes);
  socket.uncork();
}

/** `onFirst` is called when the first bytes are handed over. */
export function socketReader(socket: WebSocket, onFirst: () => void): Reader {
  let isFirst = true;
  return {
    write(...pieces) {
      if (socket.readyState !== WebSocket.OPEN) return;
      for (const bytes of pieces) socket.send(bytes, { binary: true });
      if (isFirst) onFirst();
      isFirst = false;
    },
    backlog: () => socket.bufferedAmount,
    close(how) {
      if (how === 'at-once') {
        socket.terminate();
        return;
      }
      const timer = setTimeout(() => socket.terminate(), LAST_WORDS_MS);
      socket.once('close', () => clearTimeout(timer));
      socket.close(1000, 'ended');
    },
  };
}
