// Addresses, ranges and viewers, as far as they are pure.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { endIfStalled } from '#server/http.ts';
import { isKnown, memoryBody, parseRange, sendRanged } from '../../../gateway/servers/http/http-media.ts';
import { HlsViewers } from '../../../gateway/servers/hls/viewers.ts';
import { parseTarget } from '../../../gateway/servers/http/gateway-http.ts';

test('our own addresses are understood', () => {
  const channel = 'channel123';
  assert.deepEqual(parseTarget('/live/channel123.flv'), { kind: 'flv', channel });
  assert.deepEqual(parseTarget('/live/channel123/dvr.m3u8'), {
    kind: 'multivariant',
    channel,
    name: 'dvr.m3u8',
  });
  assert.deepEqual(parseTarget('/live/channel123/broadcast1/12-camera2.m4s'), {
    kind: 'live',
    channel,
    broadcast: 'broadcast1',
    name: '12-camera2.m4s',
  });
  assert.deepEqual(parseTarget('/replay/broadcast1.mp4'), {
    kind: 'file',
    recording: 'broadcast1',
    format: 'mp4',
  });
  assert.deepEqual(parseTarget('/replay/parts-broadcast1-broadcast2/12-camera2.m4s'), {
    kind: 'replay',
    recording: 'parts-broadcast1-broadcast2',
    name: '12-camera2.m4s',
  });
  assert.deepEqual(parseTarget('/live/channel123/thumb-90.jpg'), { kind: 'thumbnail', channel, atS: 90 });
  assert.deepEqual(parseTarget('/replay/broadcast1/thumb-0.jpg'), {
    kind: 'thumbnail',
    recording: 'broadcast1',
    atS: 0,
  });
});

test('tricks with paths are not', () => {
  for (const path of [
    '/live/../secrets.json',
    '/live/channel123/../../secrets.json',
    '/live/channel123/%2e%2e/secrets.json',
    '/live/channel123%2f..%2f..%2fsecrets.json',
    '/live/channel123/broadcast1/..%2frecording.json',
    '/live/channel123/broadcast1/index.m3u8\0.m4s',
    '/live//channel123.flv',
    '/live/channel123.flv/',
    '/live/channel123/broadcast1/',
    '/live/Channel123.flv',
    '/live/short.flv',
    '/live/channel123.mp4',
    '/replay/broadcast1/a/b.m4s',
    '//replay/broadcast1.mp4',
    '/replay\\broadcast1.mp4',
    '/replay/broadcast1.MP4',
    '/replay/broadcast1-broadcast2/index.m3u8',
    '/replay/parts-broadcast1/index.m3u8',
    '/replay/parts-broadcast1-broadcast1/index.m3u8',
    '/replay/parts-broadcast1-broadcast2.mp4',
    '/replay/parts-broadcast1-broadcast2/broadcast1/1-audio.m4s',
    '/live/parts-channel123-channel456/index.m3u8',
    '',
  ]) {
    assert.equal(parseTarget(path), undefined, path);
  }
});

test('byte ranges', () => {
  assert.equal(parseRange(undefined, 1000), undefined);
  assert.deepEqual(parseRange('bytes=0-', 1000), { start: 0, end: 999 });
  assert.deepEqual(parseRange('bytes=10-19', 1000), { start: 10, end: 19 });
  assert.deepEqual(parseRange('bytes=990-5000', 1000), { start: 990, end: 999 });
  assert.deepEqual(parseRange('bytes=-100', 1000), { start: 900, end: 999 });
  assert.deepEqual(parseRange('bytes=-5000', 1000), { start: 0, end: 999 });
  for (const header of ['bytes=-', 'bytes=0-1,5-6', 'lines=0-1', 'bytes=a-b']) {
    assert.equal(parseRange(header, 1000), undefined, header);
  }
  for (const header of ['bytes=1000-', 'bytes=20-10', 'bytes=-0']) {
    assert.throws(() => parseRange(header, 1000), new LecternError('range-not-satisfiable'), header);
  }
});

test('a player that has the file already is told so, also through a proxy that made the tag weak', () => {
  for (const header of ['"a"', 'W/"a"', '"b", "a"', '"b",W/"a"', '*'])
    assert.ok(isKnown(header, '"a"'), header);
  for (const header of [undefined, '', '"b"', 'a', '"a', '"b", "c"'])
    assert.ok(!isKnown(header, '"a"'), String(header));
});

test('an HLS viewer counts for ten seconds after its last playlist', () => {
  let nowMs = 0;
  const viewers = new HlsViewers(() => nowMs);
  viewers.saw('channel123', 'anna');
  viewers.saw('channel123', 'ben');
  viewers.saw('channel456', 'anna');
  nowMs = 6_000;
  viewers.saw('channel123', 'anna');
  assert.equal(viewers.count('channel123'), 2);
  assert.equal(viewers.total(), 3);
  nowMs = 12_000;
  assert.equal(viewers.count('channel123'), 1);
  nowMs = 30_000;
  assert.equal(viewers.total(), 0);
});

/** A server on a free port that answers as `send` does. */
async function serving(
  context: TestContext,
  send: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const server = createServer(send).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('what is counted as sent is what was asked for, not what there is', async (context) => {
  const body = memoryBody([new Uint8Array(600), new Uint8Array(400)]);
  const counted: number[] = [];
  const port = await serving(context, (request, response) => {
    void sendRanged(request, response, { ...body, etag: '"it"' }, {}).then((bytes) => counted.push(bytes));
  });
  const ask = async (init: RequestInit) => (await fetch(`http://127.0.0.1:${port}`, init)).arrayBuffer();
  assert.equal((await ask({})).byteLength, 1000);
  assert.equal((await ask({ headers: { range: 'bytes=550-649' } })).byteLength, 100);
  await ask({ method: 'HEAD' });
  await ask({ headers: { 'if-none-match': '"it"' } });
  assert.deepEqual(counted, [1000, 100, 0, 0]);
});

test('a reader that takes nothing any more is let go, one that is slow is not', async (context) => {
  const ended: string[] = [];
  const port = await serving(context, (request, response) => {
    endIfStalled(response, 300);
    response.on('close', () =>
      ended.push(`${request.url} ${response.writableFinished ? 'whole' : 'cut off'}`),
    );
    response.end(Buffer.alloc(30e6));
  });
  const ask = (path: string) => connect(port, '127.0.0.1').end(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  const stalled = ask('/stalled').pause();
  const slow = ask('/slow');
  context.after(() => [stalled, slow].forEach((socket) => socket.destroy()));
  for await (const chunk of slow) {
    if ((chunk as Buffer).length > 0 && ended.length === 0)
      await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.deepEqual(ended.toSorted(), ['/slow whole', '/stalled cut off']);
});
