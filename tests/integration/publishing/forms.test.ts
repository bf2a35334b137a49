// What RTMP 1.0 allows and few programs do, in raw bytes: it is taken, or answered with a reason.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeAmf0, isAmfObject, type AmfObject } from '#shared/media/amf0.ts';
import { FlvDemuxer, type FlvTag } from '#shared/media/flv.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';
import { plain } from './films.ts';
import { LESSON, SECRET, startRig, until, type Rig } from './rig.ts';

const VIDEO = 9;
const PICTURES = 40;

let rig: Rig;
/** Configuration and pictures alone. */
let film: FlvTag[];
let client: RtmpPublisherClient;
let story = 0;
let channel = '';

before(async () => {
  rig = await startRig();
  const flv = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-i', plain(), '-map', '0:v', '-c', 'copy', '-t', '3', '-f', 'flv', 'pipe:1'],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  film = new FlvDemuxer().readBytes(flv).filter(({ type }) => type === 'video');
});
after(() => rig.close());
afterEach(async () => {
  client.finish();
  await client.closed(5_000);
  // What it left on its way arrives.
  for (let heard = -1; heard !== rig.rooms.heard.pictures.length;) {
    heard = rig.rooms.heard.pictures.length;
    await sleep(500);
  }
});

async function open(app = 'live', properties?: AmfObject): Promise<void> {
  story += 1;
  channel = `channelofform${String(story).padStart(3, '0')}`;
  client = await RtmpPublisherClient.open(rig.port, app, properties);
}

const key = () => `key=${makePublishKey(SECRET, channel, LESSON, 0)}`;

async function publish(): Promise<void> {
  await open();
  const status = await client.publish(`${channel}?${key()}`);
  assert.equal(status?.code, 'NetStream.Publish.Start');
}

/** Sends the film by `send`, no faster than it plays, and waits until the room has seen it. */
async function isShown(send: (tag: FlvTag, index: number) => void): Promise<void> {
  const from = rig.rooms.heard.pictures.length;
  for (const [index, tag] of film.slice(0, PICTURES + 1).entries()) {
    send(tag, index);
    await sleep(20);
  }
  await until('the pictures', () => rig.rooms.heard.pictures.length - from >= PICTURES);
}

/** A chunk of format 0 on a chunk stream of `idBytes` bytes; `extended` is its time, where it has 32 bits. */
function firstChunk(
  id: number,
  idBytes: 1 | 2 | 3,
  timestampMs: number,
  type: number,
  body: Uint8Array,
  of = body.length,
): Buffer {
  const isLong = timestampMs >= 0xff_ffff;
  const head = Buffer.alloc(11 + (isLong ? 4 : 0));
  head.writeUIntBE(isLong ? 0xff_ffff : timestampMs, 0, 3);
  head.writeUIntBE(of, 3, 3);
  head[6] = type;
  head.writeUInt32LE(1, 7);
  if (isLong) head.writeUInt32BE(timestampMs, 11);
  return Buffer.concat([basicHeader(0, id, idBytes), head, body]);
}

function basicHeader(format: number, id: number, idBytes: 1 | 2 | 3): Buffer {
  if (idBytes === 1) return Buffer.from([(format << 6) | id]);
  if (idBytes === 2) return Buffer.from([format << 6, id - 64]);
  return Buffer.from([(format << 6) | 1, (id - 64) & 0xff, (id - 64) >> 8]);
}

/** What of a message comes in further chunks of `size` bytes. */
const rest = (body: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(body.length / size) - 1 }, (_, index) =>
    body.subarray((index + 1) * size, (index + 2) * size),
  );

function setChunkSize(bytes: number): void {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes);
  client.raw(1, 0, size, 2);
}

const codes = () => client.statuses.map(({ code }) => code);

test('chunks may be announced of up to 2 GiB; none is larger than its message', async () => {
  await publish();
  const before = process.memoryUsage().arrayBuffers;
  setChunkSize(0x7fff_ffff);
  await isShown((tag) => client.socket.write(firstChunk(5, 1, tag.timestampMs, VIDEO, tag.body)));
  assert.ok(process.memoryUsage().arrayBuffers - before < 32 * 1024 * 1024);
});

test('a chunk size of 0 is answered with a reason', async () => {
  await publish();
  setChunkSize(0);
  await client.closed();
  assert.match(client.statuses.at(-1)?.description ?? '', /bad-request: a chunk size of 0/);
});

for (const [what, properties] of [
  ['without tcUrl', { app: 'live' }],
  ['with a tcUrl that is no address', { app: 'live', tcUrl: 'live' }],
  ['with a tcUrl of spaces and brackets', { app: 'live', tcUrl: 'rtmp://[::1 %zz/live' }],
  ['without app', { tcUrl: 'rtmp://127.0.0.1/live' }],
  ['with an app that ends with a slash', { app: 'live/', tcUrl: 'rtmp://127.0.0.1/live/' }],
  ['that wants AMF3', { app: 'live', objectEncoding: 3 }],
] as const) {
  test(`connect ${what} is taken`, async () => {
    await open('live', properties);
    const status = await client.publish(`${channel}?${key()}`);
    assert.equal(status?.code, 'NetStream.Publish.Start');
  });
}

test('the key may stand behind the app, or in the address of the server', async () => {
  for (const place of ['app', 'tcUrl'] as const) {
    story += 1;
    channel = `channelofform${String(story).padStart(3, '0')}`;
    const withKey = `live?${key()}`;
    client = await RtmpPublisherClient.open(rig.port, 'live', {
      app: place === 'app' ? withKey : 'live',
      tcUrl: `rtmp://127.0.0.1/${withKey}`,
    });
    const status = await client.publish(channel);
    assert.equal(status?.code, 'NetStream.Publish.Start', place);
    client.finish();
    await client.closed();
  }
});

test('chunk streams with numbers of two and three bytes are told apart, however they interleave', async () => {
  await publish();
  setChunkSize(300);
  // Both add up to the same; the one of the sound is never finished before the picture's chunks come.
  const [pictures, sounds] = [64 + 1 + 2 * 256, 64 + 2 + 256];
  await isShown((tag) => {
    const sound = Buffer.alloc(700, 0xaf);
    const parts = [firstChunk(sounds, 3, tag.timestampMs, 8, sound.subarray(0, 300), 700)];
    for (let at = 0; at < tag.body.length; at += 300) {
      const piece = tag.body.subarray(at, at + 300);
      parts.push(
        at === 0
          ? firstChunk(pictures, 3, tag.timestampMs, VIDEO, piece, tag.body.length)
          : Buffer.concat([basicHeader(3, pictures, 3), piece]),
      );
      if (at === 0) parts.push(basicHeader(3, sounds, 3), sound.subarray(300, 600));
    }
    parts.push(basicHeader(3, sounds, 3), sound.subarray(600));
    client.socket.write(Buffer.concat(parts));
  });
  await isShown((tag) => {
    const timeMs = 5_000 + tag.timestampMs;
    const first = firstChunk(100, 2, timeMs, VIDEO, tag.body.subarray(0, 300), tag.body.length);
    const others = rest(tag.body, 300).map((piece) => Buffer.concat([basicHeader(3, 100, 2), piece]));
    client.socket.write(Buffer.concat([first, ...others]));
  });
});

for (const isRepeated of [true, false]) {
  test(`times beyond 24 bits are read where further chunks ${isRepeated ? 'repeat' : 'lack'} them`, async () => {
    await publish();
    setChunkSize(500);
    await isShown((tag) => {
      const timeMs = 0x1234_5678 + tag.timestampMs;
      const extended = Buffer.alloc(isRepeated ? 4 : 0);
      if (isRepeated) extended.writeUInt32BE(timeMs);
      const first = firstChunk(5, 1, timeMs, VIDEO, tag.body.subarray(0, 500), tag.body.length);
      const others = rest(tag.body, 500).map((piece) =>
        Buffer.concat([Buffer.from([0xc5]), extended, piece]),
      );
      client.socket.write(Buffer.concat([first, ...others]));
    });
    const [one, two] = rig.rooms.heard.pictures.slice(-2);
    assert.ok((two?.ticks ?? 0) - (one?.ticks ?? 0) < 9_000);
  });
}

test('headers of every form follow each other', async () => {
  await publish();
  setChunkSize(60_000);
  let last = 0;
  await isShown((tag, index) => {
    const stepMs = tag.timestampMs - last;
    last = tag.timestampMs;
    const delta = Buffer.alloc(7);
    delta.writeUIntBE(stepMs, 0, 3);
    delta.writeUIntBE(tag.body.length, 3, 3);
    delta[6] = VIDEO;
    if (index === 0) client.socket.write(firstChunk(5, 1, tag.timestampMs, VIDEO, tag.body));
    else client.socket.write(Buffer.concat([Buffer.from([0x45]), delta, tag.body]));
  });
  const steps = rig.rooms.heard.pictures
    .slice(-20)
    .map(({ ticks }, at, all) => ticks - (all[at - 1]?.ticks ?? ticks));
  assert.ok(Math.max(...steps) < 4_000);
});

test('what encoders of Adobe’s kind ask for is answered, and so is what nobody knows', async () => {
  await open();
  client.command('releaseStream', 11, null, channel);
  client.command('FCPublish', 12, null, channel);
  client.command('getStreamLength', 13, null, channel);
  client.command('makeCoffee', 14, null);
  const answers = () => client.commands.map(([name, id]) => `${String(name)} ${Number(id)}`);
  await client.until('answers', () => answers().includes('_error 14'));
  for (const answer of ['_result 11', '_result 12', '_result 13', 'onFCPublish 0']) {
    assert.ok(answers().includes(answer), answer);
  }
  assert.equal((await client.publish(`${channel}?${key()}`))?.code, 'NetStream.Publish.Start');
});

test('a ping is answered', async () => {
  await publish();
  client.raw(4, 0, Buffer.from([0, 6, 1, 2, 3, 4]), 2);
  await client.until('the answer', () => client.events.length > 0);
  assert.deepEqual([...(client.events[0] ?? [])], [0, 7, 1, 2, 3, 4]);
});

test('a second publish is refused while the first runs, and taken after it was closed', async () => {
  await publish();
  client.command('publish', 5, null, `${channel}?${key()}`, 'live');
  await client.until('the refusal', () => codes().includes('NetStream.Publish.BadName'));
  await isShown(({ timestampMs, body }) => client.send('video', timestampMs, body));
  client.raw(20, 0, encodeAmf0('closeStream', 0, null), 3, 1);
  await client.until('the end', () => codes().includes('NetStream.Unpublish.Success'));
  client.command('publish', 6, null, `${channel}?${key()}`, 'live');
  await client.until(
    'the verdict',
    () => codes().filter((code) => code === 'NetStream.Publish.Start').length === 2,
  );
  await isShown(({ timestampMs, body }) => client.send('video', timestampMs, body));
  client.command('deleteStream', 7, null, 1);
  await client.until(
    'the end',
    () => codes().filter((code) => code === 'NetStream.Unpublish.Success').length === 2,
  );
  assert.ok(!client.socket.destroyed, 'the connection stays');
});

test('metadata as AMF3 sends it names the program', async () => {
  await publish();
  const metadata = encodeAmf0('@setDataFrame', 'onMetaData', {
    encoder: 'obs-output module (libobs version 30.0.0)',
  });
  client.raw(15, 0, Buffer.concat([Buffer.from([0]), metadata]), 4, 1);
  await until('its name', () =>
    rig.rooms.heard.states.some(({ channel: of, name }) => of === channel && name === 'OBS'),
  );
  assert.ok(client.commands.every(([, , , info]) => !isAmfObject(info) || info.level !== 'error'));
});
