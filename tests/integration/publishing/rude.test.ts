// Publishers that do what they should not: each is told, none does harm to others.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlvDemuxer, flvTag, parseVideoBody, type FlvTag } from '#shared/media/flv.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { decodeErrors } from '../../support/av.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';
import { enhanced } from './enhanced.ts';
import { plain } from './films.ts';
import { CHANNEL, LESSON, SECRET, startRig, until, writePictures, type Rig } from './rig.ts';

/** The type of an RTMP message that holds several. */
const AGGREGATE = 22;

let rig: Rig;
let tags: FlvTag[];
let open: RtmpPublisherClient[] = [];
/** A channel of its own for each story: the one before may hold its own for a while. */
let story = 0;

before(async () => {
  rig = await startRig();
  tags = asFlv(plain());
});
after(() => rig.close());
afterEach(async () => {
  for (const client of open) client.socket.destroy();
  open = [];
  // What the story before left on its way arrives: an ffmpeg of it may take its time.
  for (let before = -1; before !== pictures().length;) {
    before = pictures().length;
    await sleep(1_500);
  }
});

function asFlv(file: string): FlvTag[] {
  const flv = execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-c', 'copy', '-f', 'flv', 'pipe:1'], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return new FlvDemuxer().readBytes(flv);
}

const keyOf = (channel: string, version = 0) =>
  `${channel}?key=${makePublishKey(SECRET, channel, LESSON, version)}`;

async function publisher(streamKey?: string): Promise<RtmpPublisherClient> {
  story += 1;
  const client = await RtmpPublisherClient.open(rig.port);
  open.push(client);
  const status = await client.publish(streamKey ?? keyOf(`channelof${String(story).padStart(3, '0')}`));
  if (streamKey === undefined) assert.equal(status?.code, 'NetStream.Publish.Start');
  return client;
}

const pictures = () => rig.rooms.heard.pictures;
/** Sends tags as time goes by, up to `endMs` of the film. */
async function play(
  client: RtmpPublisherClient,
  which: readonly FlvTag[],
  time: (ms: number) => number,
  endMs: number,
) {
  const started = performance.now();
  for (const { type, timestampMs, body } of which) {
    if (timestampMs > endMs || client.socket.destroyed) return;
    const waitMs = timestampMs - (performance.now() - started);
    if (waitMs > 15) await sleep(waitMs);
    client.send(type, time(timestampMs), body);
  }
}
const same = (ms: number) => ms;

describe('the verdict', () => {
  test('comes before the room hears of it, and a key opens its own channel alone', async () => {
    const before = rig.rooms.heard.states.length;
    const wrong: [string, RegExp][] = [
      [CHANNEL, /publish-key-invalid/],
      [`${CHANNEL}?key=`, /publish-key-invalid/],
      [`${CHANNEL}?key=${makePublishKey(SECRET, 'channel124', LESSON, 0)}`, /publish-key-invalid/],
      [`${CHANNEL}?key=${makePublishKey('x'.repeat(40), CHANNEL, LESSON, 0)}`, /publish-key-invalid/],
      ['?key=', /unknown-channel/],
      ['../../etc', /unknown-channel/],
    ];
    for (const [streamKey, code] of wrong) {
      const client = await publisher(streamKey);
      assert.equal(client.statuses[0]?.level, 'error', streamKey);
      assert.match(client.statuses[0].description, code);
      await client.closed(5_000);
    }
    assert.equal(rig.rooms.heard.states.length, before);
  });

  test('a key that was replaced is refused, the new one is not', async () => {
    await rig.newKey('channel222', 2);
    const old = await publisher(keyOf('channel222', 1));
    const said = /publish-key-invalid: This stream key is wrong or was replaced/;
    assert.match(old.statuses[0]?.description ?? '', said);
    const fresh = await publisher(keyOf('channel222', 2));
    assert.equal(fresh.statuses[0]?.code, 'NetStream.Publish.Start');
    // Anyone who publishes with it when it is replaced is let go within a second.
    await rig.newKey('channel222', 3);
    await fresh.closed(2_000);
    assert.match(fresh.statuses.at(-1)?.description ?? '', said);
  });

  test('of the room reaches the publisher in words', async () => {
    rig.rooms.refuse('room-closed');
    try {
      const client = await publisher(keyOf('channel333'));
      assert.match(client.statuses[0]?.description ?? '', /^room-closed: This class has ended\./);
    } finally {
      rig.rooms.refuse(undefined);
    }
  });

  test('a room that closes sends the publisher away', async () => {
    const client = await publisher();
    void play(client, tags, same, 5_000);
    await sleep(300);
    rig.rooms.refuse('room-closed');
    try {
      await client.closed(5_000);
      assert.match(client.statuses.at(-1)?.description ?? '', /room-closed/);
    } finally {
      rig.rooms.refuse(undefined);
    }
  });

  test('media that is sent before it is not looked at', async () => {
    const before = pictures().length;
    rig.rooms.refuse('room-closed');
    try {
      const client = await RtmpPublisherClient.open(rig.port);
      open.push(client);
      client.command('publish', 3, null, keyOf('channel444'), 'live');
      for (const { type, timestampMs, body } of tags.slice(0, 8)) client.send(type, timestampMs, body);
      await client.closed(5_000);
      assert.equal(pictures().length, before);
    } finally {
      rig.rooms.refuse(undefined);
    }
  });
});

describe('a rude publisher', () => {
  test('who sends HEVC the enhanced way is converted and told', async () => {
    const client = await publisher();
    const from = pictures().length;
    for (const [index, message] of enhanced('hvc1').entries()) {
      client.send('video', message.ms, message.body);
      if (index % 10 === 0) await sleep(100);
    }
    await until('pictures', () => pictures().length - from > 60, 20_000);
    const mine = pictures().slice(from);
    assert.equal(await decodeErrors(writePictures('hevc', mine)), '');
    assert.equal(mine[0]?.config.width, 640);
    await until('a word', () => client.statuses.some(({ description }) => /H\.264/.test(description)));
    assert.equal(client.statuses.find(({ code }) => code === 'NetStream.Publish.Notice')?.level, 'warning');
  });

  test('who never sends a key frame is sent away, and nothing of it is shown', async () => {
    const client = await publisher();
    const from = pictures().length;
    const film = tags.filter(({ type, body }) => {
      const video = type === 'video' ? parseVideoBody(body) : undefined;
      return video?.type === 'config' || (video?.type === 'frame' && !video.key);
    });
    // As fast as it is read: it is not read faster than life by more than two seconds.
    for (const { type, timestampMs, body } of film) client.send(type, timestampMs, body);
    await client.closed(40_000);
    assert.match(client.statuses.at(-1)?.description ?? '', /no key frame: set the keyframe interval to 2 s/);
    assert.equal(pictures().length, from);
  });

  test('whose clock goes back goes on, in order and without a seam', async () => {
    const client = await publisher();
    const from = pictures().length;
    await play(client, tags, (ms) => (ms < 1_500 ? ms + 100_000 : ms - 1_500), 3_500);
    await until('pictures of both', () => pictures().length - from > 90, 5_000);
    const ticks = pictures()
      .slice(from)
      .map((picture) => picture.ticks);
    for (const [index, tick] of ticks.entries()) {
      const step = tick - (ticks[index - 1] ?? tick - 3_000);
      assert.ok(step > 0 && step < 90_000, `picture ${index} is ${step / 90} ms after the one before it`);
    }
    assert.match(await rig.metrics.metrics(), /lectern_publication_clock_jumps_total [1-9]/);
  });

  test('whose clock stands still is sent away', async () => {
    const client = await publisher();
    for (const { type, body } of tags.filter(({ type: kind }) => kind === 'video'))
      client.send(type, 1_000, body);
    await client.closed(10_000);
    assert.match(client.statuses.at(-1)?.description ?? '', /a clock that stands still/);
  });

  test('of 1,000 pictures a second is sent away', async () => {
    const client = await publisher();
    let at = 0;
    for (const { type, body } of tags.filter(({ type: kind }) => kind === 'video'))
      client.send(type, (at += 1), body);
    await client.closed(10_000);
    assert.match(client.statuses.at(-1)?.description ?? '', /9\d\d|1\d\d\d pictures a second/);
  });

  test('who announces a message of 16 MB loses the connection, and no memory is taken', async () => {
    const client = await publisher();
    const before = process.memoryUsage().arrayBuffers;
    const head = Buffer.from([5, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0, 0x17]);
    client.socket.write(head);
    await client.closed(5_000);
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
  });

  test('who begins a message within another loses the connection', async () => {
    const client = await publisher();
    const head = Buffer.from([5, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0]);
    client.socket.write(Buffer.concat([head, Buffer.alloc(20), head, Buffer.alloc(20)]));
    client.socket.write(Buffer.alloc(200_000, 0x05));
    await client.closed(5_000);
  });

  test('who sends nonsense for pictures loses the connection, and nothing is shown', async () => {
    const client = await publisher();
    const from = pictures().length;
    for (const { type, timestampMs, body } of tags.slice(0, 3)) client.send(type, timestampMs, body);
    for (let index = 0; index < 200; index += 1) {
      client.send('video', index * 33, Buffer.from([0x17, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, index]));
      client.send('audio', index * 23, Buffer.from([0xaf, 9, index]));
    }
    await client.closed(5_000);
    assert.equal(pictures().length, from);
  });

  test('who sends one broken picture: what builds on it is left out until the next key frame', async () => {
    const client = await publisher();
    const from = pictures().length;
    let index = 0;
    const broken = tags.map((tag) => {
      const video = tag.type === 'video' ? parseVideoBody(tag.body) : undefined;
      if (video?.type !== 'frame' || (index += 1) !== 10) return tag;
      // A copy: `slice` of a Buffer is none, and the stories after this one send the same film.
      const body = Uint8Array.from(tag.body);
      body.set([0x7f, 0xff, 0xff, 0xff], 5);
      return { ...tag, body };
    });
    await play(client, broken, same, 2_500);
    await until('pictures', () => pictures().length - from >= 50, 5_000);
    const mine = pictures().slice(from);
    assert.equal(await decodeErrors(writePictures('broken', mine)), '');
    const pause = mine.findIndex(
      (picture, at) => at > 0 && picture.ticks - (mine[at - 1]?.ticks ?? 0) > 30_000,
    );
    assert.equal(pause, 9);
    assert.ok(mine[pause]?.key);
  });

  test('who sends nothing at all is let go', async () => {
    const client = await publisher();
    await client.closed(20_000);
  });

  test('whose sound is MP3 is told so; the picture goes on', async () => {
    const client = await publisher();
    const from = pictures().length;
    const mp3 = Buffer.from([0x2f, 1, 2, 3]);
    await play(
      client,
      tags.map((tag) => (tag.type === 'audio' ? { ...tag, body: mp3 } : tag)),
      same,
      800,
    );
    await until('pictures', () => pictures().length - from > 15, 5_000);
    await until(
      'it is told',
      () => client.statuses.some(({ description }) => /no sound \(MP3\): choose AAC/.test(description)),
      5_000,
    );
  });

  test('who sends several messages in one is understood, and who cuts them short loses the connection', async () => {
    const client = await publisher();
    const before = pictures().length;
    const [configs, media] = [tags.slice(0, 3), tags.slice(3, 123)];
    for (const { type, timestampMs, body } of configs) client.send(type, timestampMs, body);
    for (let at = 0; at < media.length; at += 10) {
      const some = media.slice(at, at + 10);
      // Their own times count from elsewhere: that of the whole is what counts.
      const whole = some.map(({ type, timestampMs, body }) => flvTag(type, timestampMs + 1_000_000, body));
      client.raw(AGGREGATE, some[0]?.timestampMs ?? 0, Buffer.concat(whole), 6, 1);
      await sleep(100);
    }
    const sent = media.filter(({ type }) => type === 'video').length;
    await until('the pictures', () => pictures().length - before >= sent - 2);
    const times = pictures()
      .slice(before)
      .map(({ ticks }) => ticks);
    assert.ok(((times.at(-1) ?? 0) - (times[0] ?? 0)) / 90 < 5_000, 'they are as far apart as they were');
    const [one] = media.map(({ type, timestampMs, body }) => flvTag(type, timestampMs, body));
    client.raw(AGGREGATE, 5_000, (one ?? Buffer.alloc(20)).subarray(0, 15), 6, 1);
    await client.closed(5_000);
  });

  test('bytes that are taken are acknowledged', async () => {
    const client = await publisher();
    await play(client, tags, same, 12_000);
    assert.ok(client.acknowledged.length > 0);
  });
});
