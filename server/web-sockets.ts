// WebSockets of strangers. `ws` answers each ping by itself, before and below all that counts messages: a client
// that sends nothing else, and reads none of the answers, would keep a process busy and fill its memory.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';

/** Browsers send none at all; programs one in some seconds. */
const MAX_FRAMES = 60;
const WITHIN_MS = 10_000;

/** Ends a connection whose client sends more frames of these kinds than anyone needs. */
export function endIfTalkative(client: WebSocket, kinds: readonly ('ping' | 'pong' | 'message')[]): void {
  let sinceMs = 0;
  let count = 0;
  const heard = () => {
    const nowMs = performance.now();
    if (nowMs - sinceMs > WITHIN_MS) [sinceMs, count] = [nowMs, 0];
    count += 1;
    if (count > MAX_FRAMES) client.terminate();
  };
  for (const kind of kinds) client.on(kind, heard);
}

/** A server of WebSockets that bounds how often its clients ping. */
export class GuardedSockets extends WebSocketServer {
  override handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    callback: (client: WebSocket, request: IncomingMessage) => void,
  ): void {
    super.handleUpgrade(request, socket, head, (client, from) => {
      endIfTalkative(client, ['ping', 'pong']);
      callback(client, from);
    });
  }
}
