// HTTP responses and WebSockets as readers of a programme.
import type { ServerResponse } from 'node:http';
import { WebSocket } from 'ws';
import type { Reader } from '../programme/fanout.ts';

/** How long a reader that is let go in order may take for what is still to be sent, in ms. */
const LAST_WORDS_MS = 5_000;

/** `onFirst` is called when the first bytes are handed over. */
export function httpReader(response: ServerResponse, onFirst: () => void): Reader {
  let isFirst = true;
  return {
    write(bytes) {
      response.write(bytes);
      if (isFirst) onFirst();
      isFirst = false;
    },
    backlog: () => response.writableLength,
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

/** `onFirst` is called when the first bytes are handed over. */
export function socketReader(socket: WebSocket, onFirst: () => void): Reader {
  let isFirst = true;
  return {
    write(bytes) {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(bytes, { binary: true });
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
