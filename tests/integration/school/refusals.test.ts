// Bad requests: each is told what is wrong, in one shape, and harms nobody.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { ErrorBody } from '#shared/contract/errors.ts';
import { codeOf, startTestSchool, API_KEY, type TestSchool } from './support.ts';

const KEY = { authorization: `Bearer ${API_KEY}` };
const JSON_TYPE = { 'content-type': 'application/json' };

describe('a bad request', () => {
  let school: TestSchool;
  before(async () => {
    school = await startTestSchool();
  });
  after(() => school.close());

  const cases: [string, string, string, string | undefined, Record<string, string>, number, string][] = [
    ['to an unknown address', 'GET', '/nothing', undefined, KEY, 404, 'not-found'],
    ['with an id that is none', 'GET', '/lessons/NOT-AN-ID', undefined, KEY, 404, 'not-found'],
    ['for a lesson that is not there', 'GET', '/lessons/abcdefgh2345', undefined, KEY, 404, 'not-found'],
    ['out of the tree', 'GET', '/lessons/..%2f..%2fsecrets', undefined, KEY, 404, 'not-found'],
    ['with another method', 'PUT', '/lessons', undefined, KEY, 405, 'method-not-allowed'],
    ['with another method below', 'POST', '/lessons/abcdefgh2345', '{}', KEY, 405, 'method-not-allowed'],
    [
      'of another type',
      'POST',
      '/lessons',
      'title=x',
      { ...KEY, 'content-type': 'text/plain' },
      415,
      'unsupported-media-type',
    ],
    ['that is no JSON', 'POST', '/lessons', '{"title":', { ...KEY, ...JSON_TYPE }, 400, 'bad-request'],
    ['that is another JSON', 'POST', '/lessons', '[]', { ...KEY, ...JSON_TYPE }, 400, 'bad-request'],
    ['without a title', 'POST', '/lessons', '{}', { ...KEY, ...JSON_TYPE }, 400, 'bad-request'],
    [
      'with an empty title',
      'POST',
      '/lessons',
      '{"title":" \\u0007 "}',
      { ...KEY, ...JSON_TYPE },
      400,
      'bad-request',
    ],
    [
      'with a title too long',
      'POST',
      '/lessons',
      `{"title":"${'x'.repeat(201)}"}`,
      { ...KEY, ...JSON_TYPE },
      400,
      'bad-request',
    ],
    [
      'with a number for a title',
      'POST',
      '/lessons',
      '{"title":1}',
      { ...KEY, ...JSON_TYPE },
      400,
      'bad-request',
    ],
    ['without a body', 'POST', '/lessons', undefined, KEY, 400, 'bad-request'],
    [
      'that is too large',
      'POST',
      '/lessons',
      `{"title":"${'x'.repeat(70_000)}"}`,
      { ...KEY, ...JSON_TYPE },
      413,
      'too-large',
    ],
    ['for too many', 'GET', '/lessons?limit=100000', undefined, KEY, 400, 'bad-request'],
    ['for a page that is none', 'GET', '/lessons?before=yesterday', undefined, KEY, 400, 'bad-request'],
    ['for recordings of no lesson', 'GET', '/recordings?lesson=%00', undefined, KEY, 400, 'bad-request'],
  ];
  for (const [what, method, path, body, headers, status, code] of cases) {
    it(`${what} is ${code}`, async () => {
      const response = await fetch(`${school.url}/api/v1${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      const { error } = ErrorBody.parse(await response.json());
      assert.equal(error.code, code);
      assert.equal(response.status, status);
      assert.ok(error.message.length > 10);
      if (status === 405) assert.ok(response.headers.get('allow'));
    });
  }

  it('that is too large without saying so beforehand is refused as well', async () => {
    const piece = new TextEncoder().encode(' '.repeat(16 * 1024));
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(piece);
      },
    });
    const response = await fetch(`${school.url}/api/v1/lessons`, {
      method: 'POST',
      headers: { ...KEY, ...JSON_TYPE },
      body,
      duplex: 'half',
    } as RequestInit);
    assert.equal(ErrorBody.parse(await response.json()).error.code, 'too-large');
  });

  it('that is far too large leaves its connection fit for the next', async () => {
    const startedMs = Date.now();
    for (let times = 0; times < 3; times += 1) {
      const answer = await school.owner('POST', '/lessons', { title: 'x'.repeat(5_000_000) });
      assert.equal(codeOf(answer), 'too-large');
      assert.equal((await school.owner('GET', '/lessons')).status, 200);
    }
    assert.ok(Date.now() - startedMs < 5_000, 'no connection had to time out');
  });

  it('names the field that is wrong', async () => {
    const answer = await school.owner('POST', '/lessons', { title: '' });
    assert.match(ErrorBody.parse(answer.body).error.message, /^title: /);
  });

  it('for a host that is none gets an answer in the same shape', async () => {
    const socket = connect(Number(new URL(school.url).port), '127.0.0.1');
    socket.write('GET /api/v1/session HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, 'close');
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.match(text, /"code":"bad-request"/);
  });

  it('leaves the school as it was', async () => {
    assert.deepEqual((await school.owner('GET', '/lessons')).body, []);
    assert.equal(codeOf(await school.owner('POST', '/lessons', { title: 'Fine' })), undefined);
    const failures = school.lines.filter((line) => line.includes('"level":"error"'));
    assert.deepEqual(failures, [], 'nothing of this is an error of ours');
  });
});

describe('its health', () => {
  it('is told to anyone who watches over it', async () => {
    const school = await startTestSchool();
    try {
      await school.createLesson();
      for (const path of ['/healthz', '/readyz']) {
        assert.deepEqual(await (await fetch(school.url + path)).json(), { ok: true });
      }
      const metrics = await (await fetch(`${school.url}/metrics`)).text();
      assert.match(metrics, /^lectern_school_lessons\{state="scheduled",service="school"\} 1$/m);
      assert.match(
        metrics,
        /^lectern_http_request_duration_seconds_count\{.*route="\/api\/v1\/lessons".*\} 1$/m,
      );
    } finally {
      await school.close();
    }
  });
});
