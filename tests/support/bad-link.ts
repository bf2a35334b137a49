// A bad link between a browser and the SFU, without the system's help: its WebRTC goes through a relay that
// loses and delays datagrams. Where the system can do it (root, netem), that is the better test.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { BrowserContext } from 'playwright-core';

export interface BadLinkOptions {
  /** The SFU's UDP port on this machine. */
  readonly port: number;
  /** Of the datagrams, each way, 0 … 1. */
  readonly loss: number;
  /** Each way. */
  readonly delayMs: number;
}

export interface BadLink {
  /** How many datagrams were lost so far, on the way to the SFU and back. */
  readonly lost: { up: number; down: number };
  /** Sends the WebRTC of all pages of a context over this link, by UDP alone. Call it before they open. */
  use(context: BrowserContext): Promise<void>;
  close(): void;
}

async function bind(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

export async function layBadLink({ port, loss, delayMs }: BadLinkOptions): Promise<BadLink> {
  const front = await bind();
  /** One for each address of a browser, as a NAT would have. */
  const backs = new Map<string, Socket | undefined>();
  const timers = new Set<NodeJS.Timeout>();
  const lost = { up: 0, down: 0 };
  // With a seed, so that a failure comes again.
  let state = 11;
  const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  const carry = (way: 'up' | 'down', send: () => void) => {
    if (random() < loss) {
      lost[way] += 1;
      return;
    }
    const timer = setTimeout(() => {
      timers.delete(timer);
      send();
    }, delayMs);
    timers.add(timer);
  };
  front.on('message', (datagram, from) => {
    const key = `${from.address}:${from.port}`;
    const known = backs.get(key);
    if (known !== undefined) {
      carry('up', () => known.send(datagram, port, '127.0.0.1'));
      return;
    }
    if (backs.has(key)) return;
    backs.set(key, undefined);
    void bind().then((back) => {
      backs.set(key, back);
      back.on('message', (answer) => carry('down', () => front.send(answer, from.port, from.address)));
      carry('up', () => back.send(datagram, port, '127.0.0.1'));
    });
  });
  return {
    lost,
    async use(context) {
      await context.addInitScript((relayPort) => {
        type Set = (this: RTCPeerConnection, description: RTCSessionDescriptionInit) => Promise<void>;
        const { prototype } = RTCPeerConnection;
        const set: Set = Reflect.get(prototype, 'setRemoteDescription');
        const overTheLink: Set = function ({ type, sdp = '' }) {
          const lines = sdp
            .split('\r\n')
            .filter((line) => !/^a=candidate:.* tcp /i.test(line))
            .map((line) =>
              line.replace(/^(a=candidate:\S+ \d+ udp \d+) \S+ \d+ /i, `$1 127.0.0.1 ${relayPort} `),
            );
          return set.call(this, { type, sdp: lines.join('\r\n') });
        };
        Reflect.set(prototype, 'setRemoteDescription', overTheLink);
      }, front.address().port);
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
      for (const back of backs.values()) back?.close();
      front.close();
    },
  };
}
