// What a browser sends that encodes by itself, from a WebSocket client with frames of ffmpeg's: it reaches
// the room whole; what is none is refused over the same connection.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { publishPaths } from '#shared/contract/publish.ts';
import { PublishReply } from '#shared/contract/publish-replies.ts';
import { encodePublishFrame, MAX_RECORD_BYTES, type PublishFrame } from '#shared/media/publish-frames.ts';
import { createLog } from '#server/log.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { readSettings } from '#server/settings.ts';
import { startGateway, type RunningGateway } from '../../../gateway/app.ts';
import { decodeErrors } from '../../support/av.ts';

import { INTERNAL, startFakeRooms, type FakeRooms } from './fake-rooms.ts';
import { playRecords, records, type Timed } from './records.ts';
import { CHANNEL, LESSON, SECRET, until, writePictures } from './rig.ts';

let rooms: FakeRooms;
let gateway: RunningGateway;
const dir = mkdtempSync(join(tmpdir(), 'lectern-webcodecs-'));
const heard = () => rooms.heard;

before(async () => {
  rooms = await startFakeRooms();
  const ports = ['PORT', 'GATEWAY_PORT', 'RTMP_PORT', 'INGEST_PORT'].map((name) => [`LECTERN_${name}`, '0']);
  const settings = readSettings({
    ...Object.fromEntries(ports),
    LECTERN_HOST: '127.0.0.1',
    LECTERN_DATA: dir,
    LECTERN_SFU_URL: rooms.url,
    LECTERN_FFMPEG: 'ffmpeg',
  });
  const secrets = { internal: INTERNAL, playback: SECRET, ticket: SECRET, session: SECRET, owner: SECRET };
  gateway = await startGateway(settings, secrets, createLog('silent', 'gateway'));
});
after(async () => {
  await gateway.close();
  await rooms.close();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => rooms.refuse(undefined));

class Client {
  readonly socket: WebSocket;
  readonly replies: PublishReply[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(path = publishPaths(CHANNEL, makePublishKey(SECRET, CHANNEL, LESSON, 0)).webcodecs) {
    this.socket = new WebSocket(`ws://127.0.0.1:${gateway.ports.http}${path}`);
    this.socket.on('message', (data, isBinary) => {
      assert.equal(isBinary, false);
      this.replies.push(PublishReply.parse(JSON.parse((data as Buffer).toString())));
    });
    this.closed = once(this.socket, 'close').then(([code, reason]) => ({
      code: code as number,
      reason: (reason as Buffer).toString(),
    }));
  }

  has(type: PublishReply['type']): boolean {
    return this.replies.some((reply) => reply.type === type);
  }

  async accepted(): Promise<this> {
    await until('it is accepted', () => this.has('accepted'), 5_000);
    return this;
  }

  send(frame: PublishFrame): void {
    this.socket.send(encodePublishFrame(frame));
  }

  play(all: readonly Timed[], startMs?: number): Promise<void> {
    return playRecords(this.socket, all, startMs);
  }

  /** Says goodbye, so that the next test finds the channel free. */
  async leave(): Promise<void> {
    this.send({ kind: 'goodbye' });
    assert.equal((await this.closed).code, 1_000);
  }
}

describe('WebCodecs in', () => {
  test('H.264 and Opus go to the room as they are', async () => {
    const client = await new Client().accepted();
    await client.play(records(3, 'opus'));
    const { pictures, sounds, states, gaps } = heard();
    await until('all of it', () => pictures.length >= 88 && sounds.length >= 145);
    assert.equal(states.at(-1)?.kind, 'webcodecs');
    assert.ok(pictures[0]?.key, 'the first picture is a key frame');
    assert.equal(await decodeErrors(writePictures('webcodecs', pictures)), '');
    const ticks = sounds.map((sound) => sound.ticks);
    assert.deepEqual([...new Set(ticks.slice(1).map((tick, at) => tick - (ticks[at] ?? 0)))], [960]);
    assert.deepEqual(gaps, { audio: 0, video: 0 });
    await client.leave();
    const { publication = '' } = states.at(-1) ?? {};
    await until('the goodbye reaches the room', () => heard().ended.includes(publication), 3_000);
  });

  test('AAC becomes Opus, and the name is the teacher’s', async () => {
    const from = heard().sounds.length;
    const path = publishPaths(CHANNEL, makePublishKey(SECRET, CHANNEL, LESSON, 0)).webcodecs;
    const client = await new Client(`${path}&name=${encodeURIComponent('Frau Müller')}`).accepted();
    await client.play(records(2, 'aac'));
    await until('sound', () => heard().sounds.length - from > 60);
    assert.equal(heard().states.at(-1)?.name, 'Frau Müller');
    assert.deepEqual(
      heard()
        .states.at(-1)
        ?.tracks.map(({ codec }) => codec)
        .sort(),
      ['h264', 'opus'],
    );
    await client.leave();
  });

  test('a viewer’s wish for a key frame reaches the encoder', async () => {
    const client = await new Client().accepted();
    const playing = client.play(records(4, 'opus'));
    try {
      // Until the streams have begun in the room a key frame is under way anyway.
      for (let asked = 0; asked < 30 && !client.has('keyframe-wanted'); asked += 1) {
        await sleep(100);
        rooms.sendPli();
      }
      assert.ok(client.has('keyframe-wanted'));
      await playing;
    } finally {
      await client.leave();
    }
  });

  test('who drops and returns goes on in the same streams', async () => {
    const film = records(3, 'opus');
    const first = await new Client().accepted();
    await first.play(film.filter(({ atMs }) => atMs < 1_000));
    await until('the tracks', () => heard().states.at(-1)?.tracks.length === 2);
    const before = heard().states.at(-1);
    const from = heard().pictures.length;
    first.socket.terminate();
    await sleep(1_500);
    const second = await new Client().accepted();
    await second.play(film);
    await until('more pictures', () => heard().pictures.length - from >= 60);
    const state = heard().states.at(-1);
    assert.equal(state?.publication, before?.publication);
    assert.deepEqual(state?.tracks, before?.tracks);
    const ticks = heard()
      .pictures.slice(from - 10)
      .map((picture) => picture.ticks);
    for (const [at, tick] of ticks.entries()) assert.ok(at === 0 || tick > (ticks[at - 1] ?? 0));
    await second.leave();
  });
});

describe('what is refused, over the same connection', () => {
  const refusal = async (client: Client) => {
    const { code, reason } = await client.closed;
    return [code, reason, client.replies.at(-1)?.type];
  };

  test('a key that is wrong, or of another channel', async () => {
    const other = makePublishKey(SECRET, 'channel999', LESSON, 0);
    for (const path of [
      `/publish/${CHANNEL}?key=nonsense`,
      `/publish/${CHANNEL}`,
      `/publish/${CHANNEL}?key=${other}`,
    ]) {
      assert.deepEqual(await refusal(new Client(path)), [4_403, 'publish-key-invalid', 'refused']);
    }
  });

  test('a second publisher, while the first one sends', async () => {
    const first = await new Client().accepted();
    const playing = first.play(records(2, 'opus'));
    await sleep(300);
    assert.deepEqual(await refusal(new Client()), [4_409, 'already-publishing', 'refused']);
    await playing;
    assert.equal(first.has('refused'), false);
    await first.leave();
  });

  test('a class that is over', async () => {
    rooms.refuse('room-closed');
    assert.deepEqual(await refusal(new Client()), [4_410, 'room-closed', 'refused']);
  });

  test('media before the answer, and text', async () => {
    const early = new Client();
    early.socket.on('open', () => early.send({ kind: 'goodbye' }));
    assert.deepEqual(await refusal(early), [4_400, 'bad-request', 'refused']);
    const text = await new Client().accepted();
    text.socket.send('hello');
    assert.deepEqual(await refusal(text), [4_400, 'bad-request', 'refused']);
  });

  test('records that are none, once they are too many; a few are passed over', async () => {
    const client = await new Client().accepted();
    for (let i = 0; i < 5; i += 1) client.socket.send(Buffer.from([9, 9, 9]));
    client.send({ kind: 'video', ptsUs: 0, key: true, data: new Uint8Array([0, 0, 0, 1, 0x65]) });
    client.send({ kind: 'video-config', codec: 'h264', data: new Uint8Array(40) });
    await client.play(records(1, 'opus'));
    assert.equal(client.has('refused'), false);
    for (let i = 0; i < 30; i += 1) client.socket.send(Buffer.from([9, 9, 9]));
    assert.deepEqual(await refusal(client), [4_400, 'bad-request', 'refused']);
  });

  test('a record beyond all measure', async () => {
    const client = await new Client().accepted();
    client.socket.send(Buffer.alloc(MAX_RECORD_BYTES + 1));
    assert.equal((await client.closed).code, 1_009);
  });

  test('a channel that cannot be one is no address', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.ports.http}/publish/No!`);
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, /404/);
  });
});
