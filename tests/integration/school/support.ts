// A school for a test, with the two services that it speaks to: small HTTP servers that keep to
// shared/contract/internal.ts and remember what they were asked.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dialect } from 'kysely';
import { z } from 'zod';
import {
  AccessDefaults,
  ChannelSettings,
  ExplainRequest,
  RecordingSet,
  RoomAccess,
  type RecordingInfo,
  type ServiceEvent,
} from '#shared/contract/internal.ts';
import { Lesson } from '#shared/contract/rest.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { RelaysPut } from '#shared/contract/relay.ts';
import { TrimSpan } from '#shared/contract/trim.ts';
import { readJson, requireBearer, sendError, sendJson } from '#server/http.ts';
import { createLog } from '#server/log.ts';
import { loadSecrets, type Secrets } from '#server/secrets.ts';
import { closeServer, listen } from '#server/service.ts';
import { readSettings } from '#server/settings.ts';
import { startSchool } from '../../../school/app.ts';
import { openDatabase, type Database } from '../../../school/database/database.ts';
import { postgresDialect } from '../../../school/database/postgres.ts';
import { sqliteDialect } from '../../../school/database/sqlite.ts';

export const API_KEY = 'a-key-for-the-tests-only';
const PUBLIC_URL = 'https://class.example.org';

let createDatabase: (() => Promise<string>) | undefined;

/** From now on each school has the database that `create` makes, in place of a file. */
export function useDatabases(create: () => Promise<string>): void {
  createDatabase = create;
}

/** The setting that gives a school a database of its own. */
export const databaseEnv = async (): Promise<{ LECTERN_DATABASE_URL?: string }> =>
  createDatabase === undefined ? {} : { LECTERN_DATABASE_URL: await createDatabase() };

/** A database without a school. */
export interface TestDatabase {
  /** The settings that lead to it. */
  readonly env: Record<string, string>;
  readonly isPostgres: boolean;
  /** Opens it as a school does. */
  open(): Promise<Database>;
  /** Shows it as it is. */
  dialect(): Dialect;
  remove(): void;
}

export async function makeDatabase(): Promise<TestDatabase> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lectern-school-'));
  const env = { LECTERN_DATA: dataDir, ...(await databaseEnv()) };
  const log = createLog('silent', 'school');
  const { LECTERN_DATABASE_URL: url } = env;
  return {
    env,
    isPostgres: url !== undefined,
    open: () => openDatabase(readSettings(env), log),
    dialect: () =>
      url === undefined ? sqliteDialect(join(dataDir, 'school', 'lectern.db')) : postgresDialect(url, log),
    remove: () => rmSync(dataDir, { recursive: true, force: true }),
  };
}

/** A room server and a gateway in one. */
export interface FakeService {
  readonly url: string;
  /** `METHOD /path` of every request that was answered. */
  readonly asked: string[];
  /** What `GET /internal/recordings` tells. */
  recordings: RecordingInfo[];
  /** What was put as the relays of a channel. */
  readonly relays: Map<string, RelaysPut>;
  /** Done before a request is answered. */
  onAsk: () => Promise<void>;
  /** What it was told of each channel or room, and of all (`''`), the newest last. */
  readonly told: Map<string, unknown[]>;
  /** What it is asked to decide, the newest last; it allows all but the address 192.0.2.66. */
  readonly decided: ExplainRequest[];
  /** What was chosen of recordings, the newest last. */
  readonly chosen: ({ room: string } & z.infer<typeof RecordingSet>)[];
  /** Names its memory; another name says that it has lost what it was told. */
  instance: string;
  /** Stops answering; `start` answers at the same address again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startFakeService(secret: string): Promise<FakeService> {
  const log = createLog('silent', 'service');
  let port = 0;
  let server: Server | undefined;
  const service: FakeService = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    asked: [],
    recordings: [],
    relays: new Map(),
    onAsk: async () => undefined,
    told: new Map(),
    decided: [],
    chosen: [],
    instance: 'gateway-1',
    async start() {
      const answer = async (request: IncomingMessage, response: ServerResponse) => {
        try {
          requireBearer(request, secret);
          await service.onAsk();
          const url = new URL(request.url ?? '', 'http://service');
          service.asked.push(`${request.method} ${url.pathname}`);
          const room = /^\/internal\/rooms\/([a-z0-9]+)\/access$/.exec(url.pathname)?.[1];
          if (request.method === 'PUT' && room !== undefined) {
            const access = await readJson(request, RoomAccess);
            service.told.set(room, [...(service.told.get(room) ?? []), access]);
            sendJson(response, 200, {});
            return;
          }
          const trimmed = /^\/internal\/recordings\/([a-z0-9]+)\/trim$/.exec(url.pathname)?.[1];
          if (request.method === 'PUT' && trimmed !== undefined) {
            const { trim } = await readJson(request, z.object({ trim: TrimSpan.nullable() }));
            service.recordings = service.recordings.map(({ trim: _, ...info }) =>
              info.id === trimmed && trim !== null
                ? { ...info, trim: { ...trim, durationMs: trim.toMs - trim.fromMs, bytes: 1 } }
                : info,
            );
            sendJson(response, 200, service.recordings.find(({ id }) => id === trimmed) ?? {});
            return;
          }
          const recorded = /^\/internal\/rooms\/([a-z0-9]+)\/recording$/.exec(url.pathname)?.[1];
          if (request.method === 'PUT' && recorded !== undefined) {
            service.chosen.push({ room: recorded, ...(await readJson(request, RecordingSet)) });
            sendJson(response, 200, {});
            return;
          }
          const channel = /^\/internal\/channels\/([a-z0-9]+)\/settings$/.exec(url.pathname)?.[1];
          if (request.method === 'PUT' && (channel !== undefined || url.pathname === '/internal/access')) {
            const settings = await readJson(
              request,
              channel === undefined ? AccessDefaults : ChannelSettings,
            );
            const told = service.told.get(channel ?? '') ?? [];
            service.told.set(channel ?? '', [...told, settings]);
            sendJson(response, 200, { version: settings.version, instance: service.instance });
            return;
          }
          if (url.pathname === '/internal/explain') {
            const question = await readJson(request, ExplainRequest);
            service.decided.push(question);
            const allow = question.ip !== '192.0.2.66';
            const verdict = allow ? { code: null, rule: null } : { code: 'forbidden', rule: 'ip' };
            sendJson(response, 200, { allow, ...verdict, steps: [], country: 'CN' });
            return;
          }
          const relayed = /^\/internal\/channels\/([a-z0-9]+)\/relays$/.exec(url.pathname)?.[1];
          if (relayed !== undefined && request.method !== 'DELETE') {
            if (request.method === 'PUT') {
              service.relays.set(relayed, await readJson(request, RelaysPut));
            }
            sendJson(response, 200, { push: [], pull: null });
          } else if (request.method === 'DELETE') {
            sendJson(response, 200, {});
          } else if (url.pathname === '/internal/recordings') {
            const channel = url.searchParams.get('channel');
            const told = service.recordings.filter((info) => channel === null || info.channel === channel);
            sendJson(response, 200, told);
          } else {
            throw new LecternError('not-found');
          }
        } catch (error) {
          sendError(response, error, log);
        }
      };
      server = createServer((request, response) => void answer(request, response));
      port = await listen(server, port, '127.0.0.1');
    },
    async stop() {
      if (server !== undefined) await closeServer(server);
      server = undefined;
    },
  };
  await service.start();
  return service;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** The JSON body; undefined if there was none. */
  body: unknown;
}

export interface TestSchool {
  readonly url: string;
  readonly secrets: Secrets;
  readonly sfu: FakeService;
  readonly gateway: FakeService;
  /** Every line that was logged. */
  readonly lines: string[];
  /** Calls `/api/v1<path>` as anyone; `headers` may say who. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** The same with the API key. */
  owner(method: string, path: string, body?: unknown): Promise<Answer>;
  createLesson(title?: string): Promise<Lesson>;
  /** Delivers events as one batch, ids counting from `firstId`. Returns the status. */
  deliver(outbox: string, firstId: number, events: ServiceEvent[]): Promise<number>;
  /** Opens the school's database next to it. */
  openDatabase(): Promise<Database>;
  /** Ends the school and starts it again on the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestSchool(env: Record<string, string> = {}): Promise<TestSchool> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lectern-school-'));
  const secrets = loadSecrets(dataDir);
  const sfu = await startFakeService(secrets.internal);
  const gateway = await startFakeService(secrets.internal);
  const lines: string[] = [];
  const settings = readSettings({
    LECTERN_DATA: dataDir,
    LECTERN_SCHOOL_PORT: '0',
    LECTERN_SFU_URL: sfu.url,
    LECTERN_GATEWAY_URL: gateway.url,
    LECTERN_PUBLIC_URL: PUBLIC_URL,
    LECTERN_API_KEY: API_KEY,
    LECTERN_LOG: 'debug',
    ...(await databaseEnv()),
    ...env,
  });
  const log = createLog(settings.log.level, 'school', { write: (line: string) => lines.push(line) });
  let school = await startSchool(settings, secrets, log);
  const origin = () => `http://127.0.0.1:${school.port}`;

  const call: TestSchool['call'] = async (method, path, body, headers = {}) => {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(`${origin()}/api/v1${path}`, {
      method,
      headers: { ...json, ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
  const owner: TestSchool['owner'] = (method, path, body) =>
    call(method, path, body, { authorization: `Bearer ${API_KEY}` });

  return {
    get url() {
      return origin();
    },
    secrets,
    sfu,
    gateway,
    lines,
    call,
    owner,
    createLesson: async (title = 'Photosynthesis') =>
      Lesson.parse((await owner('POST', '/lessons', { title })).body),
    async deliver(outbox, firstId, events) {
      const response = await fetch(`${origin()}/internal/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secrets.internal}` },
        body: JSON.stringify({
          outbox,
          events: events.map((event, index) => ({ id: firstId + index, event })),
        }),
      });
      await response.text();
      return response.status;
    },
    openDatabase: () => openDatabase(settings, log),
    async restart() {
      await school.close();
      school = await startSchool(settings, secrets, log);
    },
    async close() {
      await school.close();
      await sfu.stop();
      await gateway.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The invitation in a link's fragment. */
export function inviteIn(link: string): string {
  return new URLSearchParams(new URL(link).hash.slice(1)).get('invite') ?? '';
}

/** The refusal's code in an answer; undefined if it is none. */
export function codeOf({ body }: Answer): string | undefined {
  return (body as { error?: { code?: string } } | undefined)?.error?.code;
}
