import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { clientOf } from '#server/forwarded.ts';
import { isLoopback, setForwarded } from '../../../bin/door/forwarded.ts';
import { mergeMetrics } from '../../../bin/door/health.ts';
import { placeOf } from '../../../bin/door.ts';

/** A request as far as these rules look at it. */
const from = (remoteAddress: string, headers: Record<string, string>) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

const NGINX = new Set(['127.0.0.1', '::1', '10.0.0.2']);

test('each address leads to the service that owns it', () => {
  assert.equal(placeOf('/api/v1/lessons'), 'school');
  assert.equal(placeOf('/socket.io/'), 'sfu');
  assert.equal(placeOf('/live/abc/index.m3u8'), 'gateway');
  assert.equal(placeOf('/live/abc.flv'), 'gateway');
  assert.equal(placeOf('/publish/abc'), 'gateway');
  assert.equal(placeOf('/replay/abc/index.m3u8'), 'gateway');
  assert.equal(placeOf('/replay/abc.mp4'), 'gateway');
  assert.equal(placeOf('/whep/abc'), 'sfu');
  assert.equal(placeOf('/whip/abc/session'), 'sfu');
});

test('the replay of a recording is a page, and its media are not', () => {
  assert.equal(placeOf('/replay/abc'), 'page');
  assert.equal(placeOf('/'), 'page');
  assert.equal(placeOf('/apiary'), 'page');
});

test('services’ internal addresses lead nowhere', () => {
  assert.equal(placeOf('/internal'), 'nothing');
  assert.equal(placeOf('/internal/channels/abc/broadcast'), 'nothing');
});

test('a stranger cannot say who he is', () => {
  const request = from('203.0.113.9', {
    host: 'class.example.org',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'https',
  });
  assert.deepEqual(clientOf(request, NGINX), { ip: '203.0.113.9', proto: 'http', host: 'class.example.org' });
});

test('a trusted proxy says whom it serves', () => {
  const request = from('::ffff:127.0.0.1', {
    host: 'localhost:8080',
    'x-forwarded-for': '198.51.100.7',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'class.example.org',
  });
  assert.deepEqual(clientOf(request, NGINX), {
    ip: '198.51.100.7',
    proto: 'https',
    host: 'class.example.org',
  });
});

test('behind two proxies, what the client wrote in front of them does not count', () => {
  const request = from('127.0.0.1', { 'x-forwarded-for': '1.1.1.1, 198.51.100.7, 10.0.0.2' });
  assert.equal(clientOf(request, NGINX).ip, '198.51.100.7');
});

test('whom a proxy did not name is nobody, and not the proxy itself', () => {
  const request = from('127.0.0.1', { 'x-forwarded-for': '1.1.1.1, 198.51.100.7:4711, 10.0.0.2' });
  assert.equal(clientOf(request, NGINX).ip, 'unknown');
});

test('services see what the door found out, and nothing that the client claimed', () => {
  const request = from('203.0.113.9', {
    host: 'class.example.org',
    forwarded: 'for=1.1.1.1',
    'x-real-ip': '1.1.1.1',
    'x-forwarded-for': '1.1.1.1',
    'x-forwarded-prefix': '/evil',
  });
  setForwarded(request, clientOf(request, NGINX));
  assert.deepEqual(request.headers, {
    host: 'class.example.org',
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'class.example.org',
  });
});

test('loopback is known in each of its notations', () => {
  assert.equal(isLoopback('127.0.0.1'), true);
  assert.equal(isLoopback('127.8.9.10'), true);
  assert.equal(isLoopback('::1'), true);
  assert.equal(isLoopback('128.0.0.1'), false);
  assert.equal(isLoopback(''), false);
});

test('the figures of all services make one answer in which each metric is declared once', () => {
  const one = (service: string, value: number) =>
    `# HELP up Whether it runs.\n# TYPE up gauge\nup{service="${service}"} ${value}\n\n# HELP only_${service} x\n# TYPE only_${service} counter\nonly_${service} 3\n`;
  assert.deepEqual(mergeMetrics([one('sfu', 1), '', one('school', 0)]).split('\n'), [
    '# HELP up Whether it runs.',
    '# TYPE up gauge',
    'up{service="sfu"} 1',
    'up{service="school"} 0',
    '# HELP only_sfu x',
    '# TYPE only_sfu counter',
    'only_sfu 3',
    '# HELP only_school x',
    '# TYPE only_school counter',
    'only_school 3',
    '',
  ]);
});
