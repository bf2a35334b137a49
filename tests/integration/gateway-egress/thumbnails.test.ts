// The small pictures of a seek bar. The class on film becomes lighter second by second, so that each picture tells
// of which second it is.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { buffer } from 'node:stream/consumers';
import { SegmentEncryption } from '../../../gateway/servers/hls/encryption.ts';
import { shoot, shots, type Film } from './film.ts';
import { info, lengthUs, startRig, type Rig } from './rig.ts';

const LIVE = `/live/${info.channel}`;
const REPLAY = `/replay/${info.broadcast}`;
/** Of each of the two parts of the film. */
const PART_S = 30;
const PER_SECOND = 4;
const RGB_BYTES = 3;
/**
 * A picture is of the row that begins nearest to its moment, which is a second away at most; how light it is can be
 * read to less than another.
 */
const NEAR_S = 2;

const growing = (size: string, from: number) =>
  `color=gray:s=${size}:r=25,eq=brightness='${from}+0.4*t/${PART_S}':eval=frame`;

/** How light the middle of each picture of `input` is, so many times a second; of a JPEG, once. */
async function lights(input: string | Buffer, perSecond?: number): Promise<number[]> {
  const rate = perSecond === undefined ? '' : `fps=${perSecond},`;
  const child = spawn(
    'ffmpeg',
    ['-v', 'error', '-i', typeof input === 'string' ? input : 'pipe:0'].concat([
      '-an',
      '-vf',
      `${rate}crop=iw/4:ih/4,scale=1:1:flags=area,format=rgb24`,
      '-f',
      'rawvideo',
      'pipe:1',
    ]),
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdin.end(typeof input === 'string' ? undefined : input);
  const pixels = await buffer(child.stdout);
  return [...pixels].filter((_, index) => index % RGB_BYTES === 0);
}

/** First of one shape, then of another. */
let parts: readonly Film[];
/** How light the class is, quarter by quarter of a second. */
let reference: readonly number[];

function teach(rig: Rig) {
  const air = rig.goLive();
  let shiftUs = 0;
  return {
    air,
    teach(film: Film) {
      air.send(shots(film, shiftUs));
      shiftUs += lengthUs(film);
    },
    async end() {
      air.programme.end();
      await air.ladder.end();
    },
  };
}

const ask = (rig: Rig, path: string, atS: number) => fetch(rig.signed(`${path}/thumb-${atS}.jpg`));

/** Of which second of the class the picture of second `atS` is; or the code of the refusal. */
async function secondOf(rig: Rig, path: string, atS: number): Promise<number | string> {
  const answer = await ask(rig, path, atS);
  if (!answer.ok) return ((await answer.json()) as { error: { code: string } }).error.code;
  assert.equal(answer.headers.get('content-type'), 'image/jpeg');
  const [light = 0] = await lights(Buffer.from(await answer.arrayBuffer()));
  const distances = reference.map((other) => Math.abs(other - light));
  const nearest = Math.min(...distances);
  return (distances.indexOf(nearest) + distances.lastIndexOf(nearest)) / 2 / PER_SECOND;
}

async function assertShows(rig: Rig, path: string, atS: number, classS = atS): Promise<void> {
  const shown = await secondOf(rig, path, atS);
  assert.ok(typeof shown === 'number' && Math.abs(shown - classS) <= NEAR_S, `${atS} s shows ${shown} s`);
}

before(async () => {
  parts = [
    await shoot(PART_S, 1, (size) => growing(size, -0.4)),
    // As of an old camera.
    await shoot(PART_S, 1, () => growing('240x180', 0)),
  ];
});

describe('of a class that is over', () => {
  let rig: Rig;

  before(async () => {
    rig = await startRig();
    const { teach: send, end } = teach(rig);
    for (const film of parts) send(film);
    await end();
    reference = await lights(rig.signed(`${REPLAY}.flv`), PER_SECOND);
    assert.ok(reference.length >= (2 * PART_S - 1) * PER_SECOND, `${reference.length} pictures`);
  });
  after(() => rig.close());

  test('many who ask at once have each made once, by one ffmpeg after the other', async () => {
    const urls = Array.from(
      { length: 500 },
      (_, n) => `${rig.signed(`${REPLAY}/thumb-${n % 60}.jpg`)}&n=${n}`,
    );
    const statuses = await Promise.all(
      urls.map(async (url) => {
        const response = await fetch(url);
        await response.arrayBuffer();
        return response.status;
      }),
    );
    assert.ok(statuses.includes(200));
    assert.deepEqual(
      statuses.filter((status) => status !== 200 && status !== 503),
      [],
    );
    const { made, atOnce } = rig.thumbnailRuns;
    assert.equal(atOnce, 1);
    assert.ok(made.length <= 2, `started ${made.length} times`);
    assert.ok(made.reduce((sum, count) => sum + count, 0) <= 31, `${made.join(' + ')} made`);
  });

  test('each is of its moment, whatever the shape of the picture then', async () => {
    for (let atS = 0; atS < 2 * PART_S; atS += 5) await assertShows(rig, REPLAY, atS);
    const answer = await ask(rig, REPLAY, 50);
    assert.equal(answer.headers.get('cache-control'), 'private, no-cache');
    const bytes = (await answer.arrayBuffer()).byteLength;
    assert.ok(bytes < 10_000, `${bytes} bytes`);
    const figures = await (await fetch(`${rig.url}/metrics`)).text();
    assert.match(figures, /lectern_thumbnails_total\{outcome="made"[^}]*\} (29|30|31)\n/);
  });

  test('of one that was trimmed they are those of what is shown', async () => {
    const { epochMs = 0 } = (await rig.store.replay(info.broadcast))?.timeline.rows[0] ?? {};
    await rig.store.trim(info.broadcast, { fromMs: epochMs + 20_000, toMs: epochMs + 50_000 });
    for (const atS of [2, 24]) await assertShows(rig, REPLAY, atS, 20 + atS);
    assert.equal(await secondOf(rig, REPLAY, 40), 'not-found', 'although it is known');
    await rig.store.trim(info.broadcast, null);
    await assertShows(rig, REPLAY, 2);
  });

  test('there is none beyond the end, and none once it is erased', async () => {
    assert.equal(await secondOf(rig, REPLAY, 70), 'not-found');
    assert.equal(await secondOf(rig, '/replay/nothing12345', 0), 'not-found');
    await rig.store.eraseChannel(info.channel);
    assert.equal(await secondOf(rig, REPLAY, 10), 'not-found');
    assert.equal(await secondOf(rig, LIVE, 10), 'not-live');
  });
});

for (const encryption of [undefined, new SegmentEncryption('a secret of the tests')])
  test(`what is not recorded is not shown${encryption ? ', nor where segments are encrypted' : ''}`, async () => {
    const rig = await startRig(undefined, undefined, {}, encryption);
    try {
      const startMs = Date.now();
      const { air, teach: send, end } = teach(rig);
      send(parts[0]!);
      air.ladder.record(false, startMs + PART_S * 1_000 + 2_000);
      send(parts[1]!);
      for (const atS of [4, 20, 29]) await assertShows(rig, LIVE, atS);
      for (const atS of [36, 50]) assert.equal(await secondOf(rig, LIVE, atS), 'not-found', `${atS} s`);
      air.ladder.record(true, startMs + 2 * PART_S * 1_000);
      send(parts[0]!);
      await assertShows(rig, LIVE, 70, 10);
      assert.equal(await secondOf(rig, LIVE, 96), 'not-found', 'it is to come');
      await end();
      // A player of encrypted segments has a gap there, any other goes on behind it.
      if (encryption) {
        assert.equal(await secondOf(rig, REPLAY, 50), 'not-found');
        await assertShows(rig, REPLAY, 70, 10);
      } else await assertShows(rig, REPLAY, 42, 10);
    } finally {
      await rig.close();
    }
  });

test('a class of which there is only sound has none', async () => {
  const rig = await startRig();
  try {
    const { teach: send, end } = teach(rig);
    send({ layers: [], audio: parts[0]!.audio });
    await end();
    assert.equal(await secondOf(rig, REPLAY, 10), 'not-found');
    assert.deepEqual(rig.thumbnailRuns.made, []);
  } finally {
    await rig.close();
  }
});
