// Films that say what they are in other ways than most, pushed over RTMP: valid ones arrive whole, and of what
// cannot be read the publisher and the room are told, for as long as it lasts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAvcRecord, NAL, nalType, splitAnnexB, writeAvcc } from '#shared/media/avc.ts';
import { firstSlice, ParameterSets } from '#shared/media/avc-sets.ts';
import {
  FlvDemuxer,
  flvHeader,
  flvTag,
  parseVideoBody,
  videoConfigBody,
  type FlvTag,
} from '#shared/media/flv.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { decodeErrors } from '../../support/av.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';
import { plain } from './films.ts';
import { FOLDER, LESSON, pushFile, quiet, SECRET, startRig, until, writePictures, type Rig } from './rig.ts';

const PICTURES = 75;

let rig: Rig;
let story = 0;
let channel = '';
let from = { pictures: 0, sounds: 0, states: 0 };

before(async () => {
  rig = await startRig();
});
after(() => rig.close());
afterEach(() => quiet(rig.rooms));

function next(): string {
  story += 1;
  channel = `channeldescribed${String(story).padStart(3, '0')}`;
  const { pictures, sounds, states } = rig.rooms.heard;
  from = { pictures: pictures.length, sounds: sounds.length, states: states.length };
  return `${channel}?key=${makePublishKey(SECRET, channel, LESSON, 0)}`;
}

const pictures = () => rig.rooms.heard.pictures.slice(from.pictures);
const sounds = () => rig.rooms.heard.sounds.slice(from.sounds);
const notices = (): PublisherNotice[] => rig.rooms.heard.states.at(-1)?.notices ?? [];

/** Pushes a file with ffmpeg; all of its pictures arrive, and decode without a word. */
async function arrivesWhole(file: string, count = PICTURES): Promise<void> {
  const program = pushFile(file, `${rig.server}/${next()}`);
  await program.ended;
  await until('all pictures', () => pictures().length >= count, 10_000);
  assert.equal(pictures().length, count, program.said());
  assert.equal(await decodeErrors(writePictures(`whole-${story}`, pictures())), '');
}

function write(name: string, tags: readonly { ms: number; body: Uint8Array }[]): string {
  const file = join(FOLDER, `${name}.flv`);
  const parts = tags.map(({ ms, body }) => flvTag('video', ms, body));
  writeFileSync(file, Buffer.concat([flvHeader({ audio: false, video: true }), ...parts]));
  return file;
}

/** Access units of x264, 25 a second, as NAL units; parameter sets stand in front of key frames. */
function encode(args: string, params: string): Uint8Array[][] {
  const output = execFileSync(
    'ffmpeg',
    [
      ...`-v error -f lavfi -i testsrc2=size=320x180:rate=25 -frames:v ${PICTURES} -c:v libx264 -bf 0 ${args}`.split(
        ' ',
      ),
      ...['-x264-params', `aud=1:${params}`, '-f', 'h264', 'pipe:1'],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const units: Uint8Array[][] = [];
  for (const nal of splitAnnexB(output)) {
    if (nalType(nal) === NAL.aud) units.push([]);
    else units.at(-1)?.push(nal);
  }
  return units;
}

const isSet = (nal: Uint8Array) => nalType(nal) === NAL.sps || nalType(nal) === NAL.pps;
const frame = (nals: readonly Uint8Array[], data = writeAvcc(nals)) => {
  const key = nals.some((nal) => nalType(nal) === NAL.idr);
  return Buffer.concat([Buffer.from([key ? 0x17 : 0x27, 1, 0, 0, 0]), data]);
};
const byCode = (nals: readonly Uint8Array[]) =>
  Buffer.concat(nals.flatMap((nal) => [Buffer.from([0, 0, 0, 1]), nal]));

test('pictures that alternate between two pairs of parameter sets', async () => {
  const [one, two] = [0, 1].map((id) =>
    encode(`-profile:v ${id ? 'main' : 'baseline'}`, `sps-id=${id}:keyint=1`),
  );
  assert.ok(one && two);
  const sets = new ParameterSets();
  for (const nal of [...(one[0] ?? []), ...(two[0] ?? [])].filter(isSet)) sets.add(nal);
  const config = sets.configFor(firstSlice(one[0] ?? []) ?? new Uint8Array(0));
  assert.ok(config);
  assert.equal(parseAvcRecord(config.record).config.sets.length, 4);
  const tags = one.map((unit, at) => {
    const nals = (at % 2 === 0 ? unit : (two[at] ?? [])).filter((nal) => !isSet(nal));
    return { ms: at * 40, body: frame(nals) };
  });
  await arrivesWhole(write('alternating', [{ ms: 0, body: videoConfigBody(config) }, ...tags]));
  assert.equal(new Set(pictures().map((picture) => picture.config)).size, 1, 'one configuration for players');
});

test('parameter sets that stand in front of key frames alone, and change there', async () => {
  // The second half has other sets under the same numbers.
  const [one, two] = [encode('-profile:v baseline', 'keyint=25'), encode('-vf scale=160:90', 'keyint=25')];
  for (const form of ['lengths', 'start codes'] as const) {
    const tags = one.map((unit, at) => {
      const nals = at < 50 ? unit : (two[at] ?? []);
      return { ms: at * 40, body: form === 'lengths' ? frame(nals) : frame(nals, byCode(nals)) };
    });
    const client = await RtmpPublisherClient.open(rig.port);
    await client.publish(next());
    for (const { ms, body } of tags) {
      client.send('video', ms, body);
      await sleep(15);
    }
    await until('all pictures', () => pictures().length >= PICTURES);
    client.finish();
    assert.equal(await decodeErrors(writePictures(`in-band-${form}`, pictures())), '');
    assert.deepEqual([...new Set(pictures().map(({ config }) => config.width))], [320, 160]);
  }
});

test('a film without any parameter sets: publisher and room are told, until they come', async () => {
  const units = encode('-profile:v baseline', 'keyint=25');
  const client = await RtmpPublisherClient.open(rig.port);
  await client.publish(next());
  const sent = performance.now();
  let at = 0;
  const send = (nals: readonly Uint8Array[]) => client.send('video', (at += 40), frame(nals));
  while (notices().length === 0 && performance.now() - sent < 5_000) {
    send((units[at % 25] ?? []).filter((nal) => !isSet(nal)));
    await sleep(40);
  }
  assert.deepEqual(notices(), [{ code: 'picture-undescribed' }]);
  assert.match(client.statuses.at(-1)?.description ?? '', /no picture: the stream lacks its parameter sets/);
  assert.equal(pictures().length, 0);
  for (const unit of units.slice(0, 50)) {
    send(unit);
    await sleep(20);
  }
  await until('pictures', () => pictures().length >= 40);
  await until('the notice goes', () => notices().length === 0);
  client.finish();
});

test('sound of a codec that cannot be read: told, and taken back when one comes that can', async () => {
  const client = await RtmpPublisherClient.open(rig.port);
  await client.publish(next());
  const film = tagsOf(plain(), 'audio').slice(0, 80);
  const step = async (ms: number, body: Uint8Array) => {
    client.send('audio', ms, body);
    await sleep(20);
  };
  for (let at = 0; at < 40; at += 1)
    await step(at * 23, Buffer.concat([Buffer.from([0x91]), Buffer.from('fLaC'), Buffer.alloc(20)]));
  await until('it is told', () => notices().length > 0, 3_000);
  assert.deepEqual(notices(), [{ code: 'sound-codec', codec: 'FLAC' }]);
  for (const { timestampMs, body } of film) await step(1_000 + timestampMs, body);
  await until('it is taken back', () => notices().length === 0, 5_000);
  await until('sound', () => sounds().length > 20, 5_000);
  client.finish();
});

test('enhanced packets of several tracks, with extensions: the first track is heard and seen', async () => {
  const client = await RtmpPublisherClient.open(rig.port);
  await client.publish(next());
  const started = performance.now();
  for (const { type, timestampMs, body } of tagsOf(plain()).slice(0, 200)) {
    const waitMs = timestampMs - (performance.now() - started);
    if (waitMs > 15) await sleep(waitMs);
    if (type === 'audio')
      client.send('audio', timestampMs, ofTracks(body.subarray(2), body[1] === 0 ? 0 : 1));
    else if (type === 'video') client.send('video', timestampMs, ofVideoTracks(body));
  }
  await until('pictures', () => pictures().length > 60);
  await until('sound', () => sounds().length > 60);
  assert.ok(
    client.statuses.every(({ level }) => level === 'status'),
    JSON.stringify(client.statuses),
  );
  assert.equal(await decodeErrors(writePictures('tracks', pictures())), '');
  client.finish();
});

for (const [what, args, loudBytes] of [
  ['a program of channels (PCE)', ['-ac', '3', '-channel_layout', '2.1'], 100],
  ['5.1', ['-ac', '6'], 100],
  ['one channel', ['-ac', '1'], 60],
  ['44.1 kHz', ['-ar', '44100'], 100],
] as const) {
  test(`AAC of ${what} is heard`, async () => {
    const file = join(FOLDER, `aac-${story}.flv`);
    execFileSync('ffmpeg', [
      ...[
        '-v',
        'error',
        '-y',
        '-f',
        'lavfi',
        '-i',
        'sine=frequency=440:sample_rate=48000',
        '-t',
        '3',
        ...args,
      ],
      ...['-c:a', 'aac', '-f', 'flv', file],
    ]);
    await pushFile(file, `${rig.server}/${next()}`).ended;
    await until('three seconds of it', () => sounds().length >= 148, 5_000);
    const bytes = sounds().map((sound) => sound.bytes);
    assert.ok(bytes.reduce((sum, one) => sum + one, 0) / bytes.length > loudBytes, 'it is no silence');
    assert.deepEqual(notices(), []);
  });
}

test('AAC with its rate written out, and AAC that cannot be decoded', async () => {
  const film = tagsOf(plain(), 'audio').slice(0, 300);
  const client = await RtmpPublisherClient.open(rig.port);
  await client.publish(next());
  // 44,100 Hz as a number (index 15), stereo; the film's own configuration says the same by index.
  const explicit = Buffer.from([0xaf, 0, 0x17, 0x80, 0x56, 0x22, 0x10]);
  client.send('audio', 0, explicit);
  for (const { timestampMs, body } of film.slice(1, 80)) {
    client.send('audio', timestampMs, body);
    await sleep(20);
  }
  await until('sound', () => sounds().length > 60);
  const heard = sounds().length;
  // USAC (xHE-AAC), which ffmpeg knows the name of alone.
  client.send('audio', 2_000, Buffer.from([0xaf, 0, 0xf9, 0x46, 0x40, 0x22]));
  for (const { timestampMs, body } of film.slice(80)) {
    client.send('audio', timestampMs, body);
    await sleep(20);
  }
  await until('it is told', () => notices().some(({ code }) => code === 'sound-broken'), 8_000);
  assert.ok(sounds().length - heard < 20);
  client.finish();
});

test('a picture of other than square pixels has its shape where browsers stretch nothing', async () => {
  const file = join(FOLDER, 'stretched.flv');
  execFileSync('ffmpeg', [
    ...`-v error -y -f lavfi -i testsrc2=size=720x576:rate=25 -frames:v ${PICTURES} -vf setsar=64/45`.split(
      ' ',
    ),
    ...'-c:v libx264 -preset ultrafast -bf 2 -g 25 -pix_fmt yuv420p -f flv'.split(' '),
    file,
  ]);
  await arrivesWhole(file);
  const [first] = pictures();
  assert.deepEqual([first?.config.width, first?.config.height], [1_024, 576]);
  assert.deepEqual(notices(), [{ code: 'converted', reasons: ['pixels', 'b-frames'] }]);
});

function tagsOf(file: string, kind?: 'audio' | 'video'): FlvTag[] {
  const flv = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-t', '8', '-i', file, '-c', 'copy', '-f', 'flv', 'pipe:1'],
    {
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  return new FlvDemuxer().readBytes(flv).filter(({ type }) => kind === undefined || type === kind);
}

/** An audio tag of two tracks, AAC and AC-3, behind a ModEx (a time in nanoseconds). */
function ofTracks(data: Uint8Array, packet: number): Buffer {
  const length = Buffer.alloc(3);
  length.writeUIntBE(data.length, 0, 3);
  return Buffer.concat([
    Buffer.from([0x97, 2, 0, 1, 0, 0x05, 0x20 | packet]),
    ...[Buffer.from('ac-3'), Buffer.from([1, 0, 0, 4, 1, 2, 3, 4])],
    ...[Buffer.from('mp4a'), Buffer.from([0]), length, data],
  ]);
}

/** The same of pictures: H.264 twice, of which the second is no such thing. */
function ofVideoTracks(body: Uint8Array): Buffer {
  const video = parseVideoBody(body);
  if (video.type === 'end' || video.type === 'other') return Buffer.from(body);
  const isKey = video.type === 'config' || video.key;
  const data = video.type === 'config' ? body.subarray(5) : video.data;
  const packet = video.type === 'config' ? 0 : 3;
  const length = Buffer.alloc(3);
  length.writeUIntBE(data.length, 0, 3);
  const head = [(isKey ? 0x90 : 0xa0) | 7, 2, 0, 1, 0, 0x06, 0x10 | packet];
  return Buffer.concat([
    Buffer.from(head),
    Buffer.from('avc1'),
    Buffer.from([3, 0, 0, 2, 9, 9, 0]),
    length,
    data,
  ]);
}
