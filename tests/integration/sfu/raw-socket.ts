// A socket of the signalling that keeps to none of its manners.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Role } from '#shared/domain/roles.ts';
import { until, type World } from './world.ts';

/** A socket.io client of bytes (socket.io protocol 5 over engine.io 4), which does only what it is told. */
export class RawSocket {
  readonly ws: WebSocket;
  /** Messages of engine.io, with their type in front. */
  readonly heard: string[] = [];
  #id = 0;

  constructor(url: string) {
    this.ws = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    this.ws.on('message', (data) => {
      const text = (data as Buffer).toString();
      if (text === '2') this.ws.send('3');
      // Who comes and goes is of no interest here, and much in a full room.
      else if (!text.startsWith('42["peer:')) this.heard.push(text);
    });
    this.ws.on('error', () => undefined);
  }

  static async connect(world: World, peer: string, role: Role, changes: object): Promise<RawSocket> {
    return RawSocket.welcomed(world.url, await world.ticket(peer, role, changes));
  }

  static async welcomed(url: string, ticket: string): Promise<RawSocket> {
    const raw = new RawSocket(url);
    await once(raw.ws, 'open');
    raw.show(ticket);
    await until('it is welcomed', () => raw.heard.some((text) => text.startsWith('42["room:welcomed"')));
    return raw;
  }

  show(ticket: string): void {
    this.ws.send(`40${JSON.stringify({ ticket })}`);
  }

  ask(name: string, data: unknown): number {
    this.#id += 1;
    this.ws.send(`42${this.#id}${JSON.stringify([name, data])}`);
    return this.#id;
  }

  async answer(id: number): Promise<{ ok: boolean; error?: { code: string } }> {
    const head = `43${id}[`;
    await until(`request ${id} is answered`, () => this.heard.some((text) => text.startsWith(head)));
    const text = this.heard.find((one) => one.startsWith(head)) ?? '';
    const [answer] = JSON.parse(text.slice(head.length - 1)) as [{ ok: boolean; error?: { code: string } }];
    return answer;
  }

  get closed(): boolean {
    return this.ws.readyState === WebSocket.CLOSED;
  }

  end(): void {
    this.ws.terminate();
  }
}
