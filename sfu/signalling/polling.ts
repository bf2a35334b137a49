// Polling keeps no connection: each answer is an HTTP response of its own, and engine.io forgets it as soon
// as the network took it over. A poller who reads none, and asks on ever new connections, would have them all
// wait here.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'socket.io';

/** How long an answer may lie unread, in ms. A poll that waits for news is answered with each ping. */
const UNREAD_MS = 15_000;

/** Gives a poller its next answer when it has read the one before; `onCut` is called for each that has not. */
export function guardPolling(engine: Server['engine'], onCut: () => void): void {
  const last = new Map<string, ServerResponse>();
  engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    const query = new URL(request.url ?? '', 'http://sfu').searchParams;
    const sid = query.get('sid');
    if (sid === null || request.method !== 'GET' || query.get('transport') !== 'polling') {
      next();
      return;
    }
    const before = last.get(sid);
    if (before?.writableEnded === true && !before.writableFinished) {
      onCut();
      before.destroy();
      response.destroy();
      return;
    }
    last.set(sid, response);
    response.setTimeout(UNREAD_MS, () => response.destroy());
    response.once('close', () => {
      if (last.get(sid) === response) last.delete(sid);
    });
    next();
  });
}
