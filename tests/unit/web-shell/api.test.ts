import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { Api } from '../../../web/engine/api.ts';

interface Seen {
  method: string;
  url: string;
  body: unknown;
}

let answer: (response: ServerResponse) => void = () => undefined;
const seen: Seen[] = [];
const server = createServer((request: IncomingMessage, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    seen.push({
      method: request.method!,
      url: request.url!,
      body: text === '' ? undefined : JSON.parse(text),
    });
    answer(response);
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close());

const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const api = new Api(fetch, base);
const say = (status: number, body?: unknown) => {
  answer = (response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body === undefined ? '' : JSON.stringify(body));
  };
};
const refusal = (code: string) => (error: unknown) => error instanceof LecternError && error.code === code;

test('an owner signs in', async () => {
  say(200, { role: 'owner' });
  assert.deepEqual(await api.signIn('a-key-of-some-length'), { role: 'owner' });
  assert.deepEqual(seen.at(-1), {
    method: 'POST',
    url: '/api/v1/session',
    body: { key: 'a-key-of-some-length' },
  });
});

test('a tab that had a ticket sends it, one that had none leaves it out', async () => {
  const issued = {
    ticket: 't2',
    role: 'student',
    lesson: { id: 'abcdefgh', title: 'Algebra', state: 'open' },
    links: null,
    publish: null,
  };
  say(200, issued);
  assert.deepEqual(await api.issueTicket('abcdefgh', 'invitation', 't1'), issued);
  assert.deepEqual(seen.at(-1)?.body, { invite: 'invitation', ticket: 't1' });
  await api.issueTicket('abcdefgh', 'invitation');
  assert.deepEqual(seen.at(-1)?.body, { invite: 'invitation' });
});

test('deleting a class needs no answer beyond its status', async () => {
  say(204);
  await api.deleteLesson('abcdefgh');
  assert.deepEqual(seen.at(-1), { method: 'DELETE', url: '/api/v1/lessons/abcdefgh', body: undefined });
});

test("the server's refusal arrives with its code and its words", async () => {
  say(401, { error: { code: 'ticket-expired', message: 'too late' } });
  await assert.rejects(api.issuePlayback('abcdefgh', 'x'), (error) => {
    assert.ok(refusal('ticket-expired')(error));
    return (error as Error).message === 'too late';
  });
});

test('whatever cannot be understood is a service that is not available', async () => {
  say(200, { role: 'emperor' });
  await assert.rejects(api.session(), refusal('service-unavailable'));
  say(502, 'Bad gateway');
  await assert.rejects(api.session(), refusal('service-unavailable'));
  answer = (response) => response.end('<html>');
  await assert.rejects(api.session(), refusal('service-unavailable'));
  answer = (response) => void response.destroy();
  await assert.rejects(api.session(), refusal('service-unavailable'));
});
