// A real SFU for a test, with a school that takes every event, and people with tickets.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { io, type Socket } from 'socket.io-client';
import { EventBatch, type ServiceEvent } from '#shared/contract/internal.ts';
import { TicketIssued, type Lesson } from '#shared/contract/rest.ts';
import type {
  Ack,
  FactData,
  FactName,
  Joined,
  RequestInput,
  RequestName,
  RequestResult,
} from '#shared/contract/signalling.ts';
import { TICKET_AUDIENCE, type Ticket } from '#shared/contract/tickets.ts';
import { ROLE_PERMISSIONS } from '#shared/domain/permissions.ts';
import type { Role } from '#shared/domain/roles.ts';
import { createLog } from '#server/log.ts';
import { loadSecrets, type Secrets } from '#server/secrets.ts';
import { readSettings, type Settings } from '#server/settings.ts';
import { startSfu, type RunningSfu } from '../../../sfu/app.ts';
import { freePort } from '../../support/free-port.ts';
import type { Lectern } from '../../support/lectern.ts';

/** How long a test waits for something that should happen, in ms. */
export const PATIENCE_MS = 15_000;

export interface World {
  readonly settings: Settings;
  readonly secrets: Secrets;
  sfu: RunningSfu;
  /** What `school` heard, in order. */
  readonly events: ServiceEvent[];
  readonly url: string;
  ticket(peer: string, role: Role, changes?: Partial<Ticket>): Promise<string>;
  /** Ends the SFU in order and starts it again on the same data and port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const ROOM = 'algebra1';
export const CHANNEL = 'channel1';

export async function makeWorld(env: Record<string, string> = {}): Promise<World> {
  const data = mkdtempSync(join(tmpdir(), 'lectern-sfu-'));
  const events: ServiceEvent[] = [];
  const school = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const batch = EventBatch.parse(JSON.parse(Buffer.concat(chunks).toString()));
      events.push(...batch.events.map(({ event }) => event));
      response.end('{}');
    })();
  });
  school.listen(0, '127.0.0.1');
  await once(school, 'listening');
  const settings = readSettings({
    LECTERN_DATA: data,
    LECTERN_SFU_PORT: String(await freePort()),
    LECTERN_RTC_PORT: '0',
    LECTERN_WORKERS: '1',
    LECTERN_LOG: process.env.LECTERN_LOG ?? 'silent',
    LECTERN_SCHOOL_URL: `http://127.0.0.1:${(school.address() as AddressInfo).port}`,
    LECTERN_GATEWAY_URL: 'http://127.0.0.1:1',
    ...env,
  });
  const secrets = loadSecrets(data);
  const log = createLog(settings.log.level, 'sfu');
  const world: World = {
    settings,
    secrets,
    events,
    sfu: await startSfu(settings, secrets, log).catch((error: unknown) => {
      school.close();
      throw error;
    }),
    url: `http://127.0.0.1:${settings.sfu.port}`,
    ticket: (peer, role, changes) => signTicket(secrets.ticket, peer, role, changes),
    async restart() {
      await world.sfu.close();
      world.sfu = await startSfu(settings, secrets, log);
    },
    async close() {
      await world.sfu.close();
      school.close();
      school.closeAllConnections();
      rmSync(data, { recursive: true, force: true });
    },
  };
  return world;
}

export function signTicket(secret: string, peer: string, role: Role, changes: Partial<Ticket> = {}) {
  const { sub, exp, ...claims }: Ticket = {
    sub: peer.padEnd(8, '_'),
    room: ROOM,
    channel: CHANNEL,
    title: 'Algebra I',
    role,
    permissions: [...ROLE_PERMISSIONS[role]],
    exp: Math.floor(Date.now() / 1_000) + 3_600,
    ...changes,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setAudience(TICKET_AUDIENCE)
    .setExpirationTime(exp)
    .sign(new TextEncoder().encode(secret));
}

/** One person at the signalling, without media of its own. */
export class Person {
  readonly socket: Socket;
  readonly facts: { name: string; data: unknown }[] = [];
  joined: Joined | undefined;
  #refusal: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.onAny((name: string, data: unknown) => this.facts.push({ name, data }));
    socket.on('connect_error', (error: Error & { data?: { error: { code: string } } }) => {
      this.#refusal = error.data?.error.code ?? error.message;
    });
  }

  /** Connects and waits for the welcome. Rejects with the refusal's code. */
  static async connect(url: string, ticket: string, session?: string): Promise<Person> {
    const auth = { ticket, ...(session === undefined ? {} : { session }) };
    const person = new Person(
      io(url, { auth, transports: ['websocket'], reconnection: false, forceNew: true }),
    );
    try {
      await person.fact('room:welcomed');
    } catch (error) {
      person.leave();
      throw error;
    }
    return person;
  }

  /** Comes into the class of a whole Lectern by one of its links. */
  static async byLink(
    { url, api }: Pick<Lectern, 'url' | 'api'>,
    { id, links }: Lesson,
    link: 'teacher' | 'student',
    name: string,
  ): Promise<Person> {
    const invite = new URLSearchParams(new URL(links[link]).hash.slice(1)).get('invite');
    const issued = TicketIssued.parse(await api('POST', `/lessons/${id}/tickets`, { invite }));
    const person = await Person.connect(url, issued.ticket);
    await person.enter(name);
    return person;
  }

  static async join(world: World, peer: string, role: Role, changes?: Partial<Ticket>): Promise<Person> {
    const person = await Person.connect(world.url, await world.ticket(peer, role, changes));
    await person.enter(peer);
    return person;
  }

  async enter(name: string): Promise<Joined> {
    const welcome = await this.fact('room:welcomed');
    this.joined = await this.ask('room:join', { name, rtpCapabilities: welcome.routerRtpCapabilities });
    return this.joined;
  }

  /** Sends a request; rejects with the refusal's code. */
  async ask<N extends RequestName>(name: N, data: RequestInput<N>): Promise<RequestResult<N>> {
    const answer = (await this.raw(name, data)) as Ack<RequestResult<N>>;
    if (!answer.ok) throw new Error(answer.error.code);
    return answer.data;
  }

  /** Sends anything. */
  raw(name: string, ...args: unknown[]): Promise<Ack<unknown>> {
    return this.socket.timeout(PATIENCE_MS).emitWithAck(name, ...args) as Promise<Ack<unknown>>;
  }

  /** The latest fact of this name that fits, or the next that comes. */
  async fact<N extends FactName>(
    name: N,
    fits: (data: FactData<N>) => boolean = () => true,
  ): Promise<FactData<N>> {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const known = this.facts.findLast((fact) => fact.name === name && fits(fact.data as FactData<N>));
      if (known !== undefined) return known.data as FactData<N>;
      if (this.#refusal !== undefined) throw new Error(this.#refusal);
      if (Date.now() > until) throw new Error(`${name} did not come; there came ${this.seen()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  seen(): string {
    return this.facts.map(({ name }) => name).join(' ');
  }

  /** Publishes RTP parameters as a browser would make them; no packet ever comes. */
  async publish(source: 'camera' | 'microphone' | 'screen', ssrc: number): Promise<string> {
    const { id } = await this.ask('transport:create', { direction: 'send' });
    const kind = source === 'microphone' ? 'audio' : 'video';
    const { producerId } = await this.ask('producer:create', {
      transportId: id,
      kind,
      source,
      rtpParameters: rtpParameters(kind, ssrc),
    });
    return producerId;
  }

  leave(): void {
    this.socket.disconnect();
  }
}

export function rtpParameters(kind: 'audio' | 'video', ssrc: number) {
  const codec =
    kind === 'audio'
      ? { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }
      : {
          mimeType: 'video/H264',
          payloadType: 102,
          clockRate: 90_000,
          parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f' },
        };
  return { mid: `${ssrc % 100}`, codecs: [codec], encodings: [{ ssrc }], rtcp: { cname: 'test' } };
}

/** Waits until `holds` does. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const randomId = () => randomBytes(6).toString('hex');
