// What the three services do alike over HTTP: bodies, refusals, secrets, calls to one another, logs.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { Gauge } from 'prom-client';
import { z } from 'zod';
import { ErrorBody, LecternError } from '#shared/contract/errors.ts';
import { clientOf, trustedProxies } from '#server/forwarded.ts';
import { readJson, requireBearer, sendError, sendJson } from '#server/http.ts';
import { internalClient } from '#server/internal-client.ts';
import { createLog } from '#server/log.ts';
import { redact } from '#server/redact.ts';
import { closeServer, createMetrics, createServer, listen, serveHealth } from '#server/service.ts';

const SECRET = 'the-secret-between-services';
const Body = z.object({ n: z.number() });

describe('a service', () => {
  const lines: string[] = [];
  const log = createLog('debug', 'test', { write: (line) => lines.push(line) });
  const metrics = createMetrics('test');
  let isReady = true;
  let isBroken = false;
  new Gauge({
    name: 'lectern_test',
    help: 'x',
    registers: [metrics],
    collect() {
      if (isBroken) throw new Error('the figures are not there');
    },
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (serveHealth(request, response, metrics, () => isReady)) return;
    try {
      requireBearer(request, SECRET);
      if (request.url?.startsWith('/fail')) throw new Error('a detail that is nobody’s business');
      if (request.url === '/refuse') throw new LecternError('room-closed');
      if (request.url === '/nonsense') {
        response.end('<html>');
        return;
      }
      if (request.url === '/never') return;
      const other = request.url === '/other';
      sendJson(response, 200, other ? { other } : await readJson(request, Body, 1_000));
    } catch (error) {
      sendError(response, error, log, request.url);
    }
  }
  const server = createServer((request, response) => void answer(request, response));
  let url = '';
  before(async () => {
    url = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`;
  });
  after(() => closeServer(server));

  const post = async (body: string, secret = SECRET) => {
    const headers = { authorization: `Bearer ${secret}` };
    const response = await fetch(url, { method: 'POST', headers, body });
    return { status: response.status, body: (await response.json()) as unknown };
  };
  const codeOf = (body: unknown) => ErrorBody.parse(body).error.code;

  it('reads what it was sent, and refuses what is too much or makes no sense', async () => {
    assert.deepEqual(await post('{"n":1,"unknown":2}'), { status: 200, body: { n: 1 } });
    for (const [body, code] of [
      ['{"n":', 'bad-request'],
      ['{"n":"1"}', 'bad-request'],
      ['', 'bad-request'],
      ['[]', 'bad-request'],
      [`{"n":1,"x":"${'x'.repeat(1_000)}"}`, 'too-large'],
      [`{"n":1,"x":"${'x'.repeat(3_000_000)}"}`, 'too-large'],
    ] as const) {
      const answered = await post(body);
      assert.equal(codeOf(answered.body), code, body.slice(0, 20));
      assert.equal(answered.status, code === 'too-large' ? 413 : 400);
    }
  });

  it('wants its secret, whole', async () => {
    for (const secret of ['', 'x', SECRET.slice(1), `${SECRET}x`, SECRET.toUpperCase()]) {
      assert.equal(codeOf((await post('{"n":1}', secret)).body), 'unauthorized', secret);
    }
    assert.equal((await fetch(url, { method: 'POST', body: '{"n":1}' })).status, 401);
  });

  it('tells nobody but its log what went wrong inside', async () => {
    const headers = { authorization: `Bearer ${SECRET}` };
    const response = await fetch(`${url}/fail?key=abc&sign=def&viewer=anna#x`, { headers });
    const text = await response.text();
    assert.equal(response.status, 500);
    assert.equal(codeOf(JSON.parse(text)), 'internal-error');
    assert.ok(!text.includes('business'));
    const line = lines.find((one) => one.includes('business')) ?? '';
    assert.ok(line.includes('key=***&sign=***&viewer=anna'), line);
    assert.ok(!lines.join('').includes(SECRET));
  });

  it('is called with an answer, a refusal or a plain sign that it is away', async () => {
    const call = (path: string, secret = SECRET, timeoutMs = 3_000) => {
      const table = { ask: { method: 'POST', path, body: Body, reply: Body } } as const;
      return internalClient(table, () => [url], secret, timeoutMs).ask({ body: { n: 7 } });
    };
    assert.deepEqual(await call('/'), { n: 7 });
    await assert.rejects(call('/refuse'), { code: 'room-closed' });
    await assert.rejects(call('/', 'wrong'), { code: 'unauthorized' });
    await assert.rejects(call('/fail'), { code: 'internal-error' });
    await assert.rejects(call('/nonsense'), { code: 'service-unavailable' });
    await assert.rejects(call('/other'), { code: 'service-unavailable' });
    await assert.rejects(call('/never', SECRET, 100), { code: 'service-unavailable' });
    const table = { ask: { method: 'GET', path: '/', reply: Body } } as const;
    const nowhere = internalClient(table, () => ['http://127.0.0.1:1'], SECRET);
    await assert.rejects(nowhere.ask(), { code: 'service-unavailable' });
  });

  it('says how it is, and outlives figures that cannot be had', async () => {
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.equal((await fetch(`${url}/readyz?x`)).status, 200);
    isReady = false;
    assert.equal((await fetch(`${url}/readyz`)).status, 503);
    assert.match(await (await fetch(`${url}/metrics`)).text(), /process_cpu_seconds_total\{service="test"\}/);
    isBroken = true;
    const broken = await fetch(`${url}/metrics`);
    assert.equal(broken.status, 500);
    assert.equal(codeOf(await broken.json()), 'internal-error');
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });

  it('hides what opens doors in every address that it writes down', () => {
    assert.equal(
      redact('/live/x.flv?expires=1&sign=abc&viewer=anna'),
      '/live/x.flv?expires=1&sign=***&viewer=anna',
    );
    assert.equal(redact('/room/x#invite=abc.def.ghi'), '/room/x#invite=***');
    assert.equal(redact('/owner#key=abc'), '/owner#key=***');
    assert.equal(
      redact('rtmp://h/live/x?key=abc&ticket=def&session=g'),
      'rtmp://h/live/x?key=***&ticket=***&session=***',
    );
    assert.equal(redact('/keyboard?monkey=1'), '/keyboard?monkey=1');
  });

  it('writes down no form of a signature, wherever it stands in a line', () => {
    const SECRET_TEXT = 'Zx9-secret_Value';
    const forms = [
      ...['sign', 'md5', 'auth_key', 'wsSecret', 'wsTime', 'txSecret', 'txTime', 'key', 'token', 'invite'],
      ...['ticket', 'session', 'access_token', 'Signature', 'X-Amz-Signature'],
    ].flatMap((name) => [
      `/live/x.flv?a=1&${name}=${SECRET_TEXT}&viewer=anna`,
      `opening rtmp://h/live/x?${name}=${SECRET_TEXT}: I/O error`,
      `/go?to=${encodeURIComponent(`/live/x?b=1&${name}=${SECRET_TEXT}&viewer=anna`)}`,
      JSON.stringify({ [name.toLowerCase()]: SECRET_TEXT }),
    ]);
    forms.push(
      `Authorization: Bearer ${SECRET_TEXT}`,
      `authorization: Basic ${btoa(`u:${SECRET_TEXT}`)}`,
      `> Cookie: lectern_session=${SECRET_TEXT}; other=1`,
      `rtmps://user:${SECRET_TEXT}@example.org/app`,
      `/owner#key=${SECRET_TEXT}`,
    );
    for (const form of forms) {
      lines.length = 0;
      log.warn({ url: form, deep: { er: { form } }, err: new Error(form), headers: { cookie: form } }, form);
      log.warn(`ffmpeg: ${form}`);
      const text = lines.join('');
      assert.ok(
        !text.includes(SECRET_TEXT) && !text.includes(btoa(SECRET_TEXT).slice(4, -4)),
        `${form}\n${text}`,
      );
      for (const line of lines.join('').trim().split('\n')) JSON.parse(line);
    }
    lines.length = 0;
    const headers = { authorization: `Bearer ${SECRET_TEXT}`, 'set-cookie': [`a=${SECRET_TEXT}`] };
    log.warn({ headers, nested: { very: { deep: { ticket: SECRET_TEXT } } } }, 'asked');
    assert.ok(!lines.join('').includes(SECRET_TEXT), lines.join(''));
    JSON.parse(lines.join(''));
  });

  it('hides what opens doors in the fields of a line', () => {
    lines.length = 0;
    log.info({ ticket: 'abc', peer: { ticket: 'def', name: 'Anna' } }, 'joined');
    assert.ok(!/abc|def/.test(lines.join('')) && lines.join('').includes('Anna'));
  });
});

describe('the client behind proxies', () => {
  const trusted = trustedProxies(' 10.0.0.1, 127.0.0.1 ,,::1');
  const clientFrom = (remoteAddress: string, headers: Record<string, string> = {}) =>
    clientOf(
      { socket: { remoteAddress }, headers: { host: 'inner', ...headers } } as unknown as IncomingMessage,
      trusted,
    );

  it('is the one who connects, unless that is a proxy of ours', () => {
    const headers = {
      'x-forwarded-for': '198.51.100.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil',
    };
    assert.deepEqual(clientFrom('203.0.113.5', headers), { ip: '203.0.113.5', proto: 'http', host: 'inner' });
    assert.deepEqual(
      clientFrom('::ffff:127.0.0.1', { ...headers, 'x-forwarded-host': 'class.example.org' }),
      {
        ip: '198.51.100.1',
        proto: 'https',
        host: 'class.example.org',
      },
    );
  });

  it('is the last address that no proxy of ours has, as those before it may be made up', () => {
    const ip = (chain: string) => clientFrom('127.0.0.1', { 'x-forwarded-for': chain }).ip;
    assert.equal(ip('1.1.1.1, 203.0.113.5'), '203.0.113.5');
    assert.equal(ip('203.0.113.5, 10.0.0.1'), '203.0.113.5');
    assert.equal(ip('10.0.0.1'), '10.0.0.1');
    assert.equal(ip('203.0.113.5, nonsense'), 'unknown');
    assert.equal(ip('nonsense, 203.0.113.5'), '203.0.113.5');
    assert.equal(ip('2001:db8::5'), '2001:db8::5');
    assert.equal(ip(''), '127.0.0.1');
  });
});
