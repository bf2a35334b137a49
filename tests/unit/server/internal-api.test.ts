// A table of requests, its server and its client, over HTTP.
import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { ErrorBody, LecternError } from '#shared/contract/errors.ts';
import type { Endpoints } from '#shared/contract/internal-api.ts';
import { atAny, internalClient, type AddressesOf } from '#server/internal-client.ts';
import { serveInternal, type Handlers } from '#server/internal-server.ts';
import { createLog } from '#server/log.ts';
import { closeServer, createServer, listen } from '#server/service.ts';

const SECRET = 'the-secret-between-services';
const TABLE = {
  putNote: {
    method: 'PUT',
    path: '/internal/rooms/:room/note',
    body: z.object({ text: z.string(), size: z.number().default(12) }),
    reply: z.object({ room: z.string(), text: z.string(), size: z.number(), seen: z.number().default(0) }),
    maxBytes: 100,
  },
  eraseNote: {
    method: 'DELETE',
    path: '/internal/rooms/:room/note',
    query: z.object({ author: z.string().min(1) }),
  },
  listNotes: {
    method: 'GET',
    path: '/internal/notes',
    query: z.object({ author: z.string().optional() }),
    reply: z.array(z.string()),
  },
  status: { method: 'GET', path: '/internal/status', reply: z.object({ name: z.string() }) },
} as const satisfies Endpoints;

const lines: string[] = [];
const log = createLog('debug', 'test', { write: (line) => lines.push(line) });

/** One that answers as `handlers` say. */
class Service {
  readonly asked: string[] = [];
  readonly #name: string;
  #server: Server | undefined;
  #port = 0;
  status: Handlers<typeof TABLE>['status'] = () => ({ name: this.#name });

  constructor(name: string) {
    this.#name = name;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<void> {
    const api = serveInternal(
      TABLE,
      {
        putNote: ({ params, body }) => ({ room: params.room, ...body }),
        eraseNote: ({ params, query }) => void this.asked.push(`${params.room} ${query.author}`),
        listNotes: ({ query }) => [query.author ?? 'of all'],
        status: (request) => this.status(request),
      },
      SECRET,
      log,
    );
    this.#server = createServer((request, response) => {
      if (!api(request, response)) response.writeHead(418).end();
    });
    this.#port = await listen(this.#server, this.#port, '127.0.0.1');
  }

  async close(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server);
  }
}

describe('a service that serves a table', () => {
  const service = new Service('one');
  before(() => service.open());
  after(() => service.close());
  const client = internalClient(TABLE, () => [service.url], SECRET);

  const ask = async (method: string, path: string, body?: string, secret = SECRET) => {
    const headers = { authorization: `Bearer ${secret}` };
    const response = await fetch(service.url + path, {
      method,
      headers,
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    const refusal = ErrorBody.safeParse(JSON.parse(text === '' ? '{}' : text));
    const { status } = response;
    return { status, text, code: refusal.data?.error.code, allow: response.headers.get('allow') };
  };
  const NOTE = '/internal/rooms/algebra1/note';

  it('is given what was checked, and its answer is checked', async () => {
    const params = { room: 'algebra1' };
    const note = await client.putNote({ params, body: { text: 'Hello' } });
    assert.deepEqual(note, { room: 'algebra1', text: 'Hello', size: 12, seen: 0 });
    await client.eraseNote({ params, query: { author: 'A & B?' } });
    assert.deepEqual(service.asked, ['algebra1 A & B?']);
    assert.deepEqual(await client.listNotes({ query: {} }), ['of all']);
    assert.deepEqual(await client.listNotes({ query: { author: undefined } }), ['of all']);
    assert.deepEqual(await client.status(), { name: 'one' });
    assert.equal((await ask('DELETE', `${NOTE}?author=A`)).text, '{}');
  });

  it('tells nobody without the secret what there is', async () => {
    for (const [method, path] of [
      ['PUT', NOTE],
      ['POST', NOTE],
      ['GET', '/internal/nothing'],
    ] as const) {
      for (const secret of ['', 'wrong', `${SECRET}x`, SECRET.slice(1)]) {
        assert.equal((await ask(method, path, undefined, secret)).code, 'unauthorized');
      }
    }
  });

  it('refuses what is not in the table, and says which methods are', async () => {
    for (const path of ['/internal/nothing', '/internal/', `${NOTE}/more`, '/internal/rooms//note'])
      assert.equal((await ask('GET', path)).code, 'not-found', path);
    const { status, code, allow } = await ask('POST', NOTE, '{}');
    assert.deepEqual([status, code, allow], [405, 'method-not-allowed', 'PUT, DELETE']);
  });

  it('refuses what is malformed, and names it', async () => {
    for (const [method, path, body] of [
      ['PUT', '/internal/rooms/NO/note', '{"text":"a"}'],
      ['PUT', '/internal/rooms/..%2f..%2fetc/note', '{"text":"a"}'],
      ['PUT', NOTE, '{"text":1}'],
      ['PUT', NOTE, '{'],
      ['DELETE', NOTE, undefined],
      ['DELETE', `${NOTE}?author=`, undefined],
    ] as const) {
      assert.equal((await ask(method, path, body)).code, 'bad-request', `${method} ${path} ${body}`);
    }
    assert.match((await ask('PUT', NOTE, '{"text":1}')).text, /text: /);
    assert.equal((await ask('PUT', NOTE, JSON.stringify({ text: 'x'.repeat(100) }))).code, 'too-large');
  });

  it('has its refusals heard, and keeps to itself what went wrong inside', async () => {
    service.status = () => Promise.reject(new LecternError('room-closed'));
    await assert.rejects(client.status(), { code: 'room-closed' });
    service.status = () => {
      throw new Error('a detail that is nobody’s business');
    };
    await assert.rejects(client.status(), (error: LecternError) => {
      return error.code === 'internal-error' && !error.message.includes('business');
    });
    assert.ok(lines.some((line) => line.includes('business')));
    service.status = () => ({ name: 1 }) as unknown as { name: string };
    await assert.rejects(client.status(), { code: 'service-unavailable' });
  });

  it('leaves other addresses to others', async () => {
    assert.equal((await fetch(`${service.url}/live/x`)).status, 418);
  });
});

describe('a client with several addresses', () => {
  const one = new Service('one');
  const two = new Service('two');
  before(() => Promise.all([one.open(), two.open()]));
  after(() => Promise.all([one.close(), two.close()]));

  const at = (addressesOf: AddressesOf = () => [one.url, two.url], timeoutMs?: number) => {
    const client = internalClient(TABLE, addressesOf, SECRET, timeoutMs);
    return { ...client, name: async () => (await client.status()).name };
  };

  it('stays with the one that answers, and comes back when that one is gone', async () => {
    const client = at();
    assert.equal(await client.name(), 'one');
    await one.close();
    assert.equal(await client.name(), 'two');
    await one.open();
    assert.equal(await client.name(), 'two');
    await two.close();
    assert.equal(await client.name(), 'one');
    await one.close();
    await assert.rejects(client.name(), { code: 'service-unavailable' });
    await two.open();
    assert.equal(await client.name(), 'two');
    await one.open();
  });

  it('passes over one that hangs from the next request on', async () => {
    one.status = () => new Promise(() => undefined);
    const client = at(undefined, 100);
    await assert.rejects(client.name(), { code: 'service-unavailable' });
    assert.equal(await client.name(), 'two');
    one.status = () => ({ name: 'one' });
  });

  it('takes a refusal for an answer', async () => {
    one.status = () => Promise.reject(new LecternError('service-unavailable'));
    await assert.rejects(at().name(), { code: 'service-unavailable' });
    one.status = () => ({ name: 'one' });
    assert.equal(await at().name(), 'one');
  });

  it('asks where a room lives, and of all where nothing is named', async () => {
    const named: object[] = [];
    const client = at((of) => {
      named.push(of);
      return of.room === 'geometry' ? [two.url] : [one.url];
    });
    await client.eraseNote({ params: { room: 'geometry' }, query: { author: 'A' } });
    assert.deepEqual([one.asked, two.asked], [[], ['geometry A']]);
    assert.equal(await client.name(), 'one');
    assert.deepEqual(named, [{ room: 'geometry' }, {}]);
  });

  it('reads them from a setting', async () => {
    assert.equal(await at(atAny(['http://127.0.0.1:1', two.url])).name(), 'two');
    await assert.rejects(at(() => []).name(), { code: 'service-unavailable' });
  });
});
