// Thumbnails are made once, together, and no more at a time than the machine has over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { fragment } from '#shared/media/fmp4.ts';
import { createMetrics } from '#server/service.ts';
import { momentAt } from '../../../gateway/hls/moments.ts';
import { SegmentTimeline, type Row } from '../../../gateway/store/segment-timeline.ts';
import { Thumbnails } from '../../../gateway/store/thumbnails.ts';
import { configOf, picture } from './hand.ts';

const ROW_US = 2e6;

/** A class of `count` rows, of which the picture stands still in those of `still`. */
function classOf(count: number, still: readonly number[] = []): SegmentTimeline {
  const timeline = new SegmentTimeline();
  timeline.inits.set(0, configOf(0));
  for (let n = 1; n <= count; n += 1) {
    const segment = { init: 0, startUs: (n - 1) * ROW_US, durationUs: ROW_US, bytes: 1_000, frames: 50 };
    const label = still.includes(n) ? 'still' : 'camera0';
    timeline.appendRow({
      ...{ n, epochMs: 0, discontinuity: false, slots: [label] },
      segments: { [label]: segment, audio: segment },
    });
  }
  return timeline;
}

/** All rows begin with a key frame, and are in memory. */
function recordingOf(timeline: SegmentTimeline, recording = 'broadcast1') {
  const { data } = picture(0, true, configOf(0));
  const part = fragment({ sequence: 1, baseDecodeTime: 0, samples: [{ data, durationTicks: 1, key: true }] });
  return { recording, dir: '/nowhere', timeline, inMemory: () => [part] };
}

/** What is made is in the hand of the test: a picture is as many bytes long as it was the so-many-th. */
function studio() {
  const due: { count: number; give: (jpegs: readonly Uint8Array[] | undefined) => void }[] = [];
  const thumbnails = new Thumbnails({
    make: (frames) => new Promise((give) => due.push({ count: frames.length, give })),
    registry: createMetrics('gateway'),
  });
  /** Resolves once somebody wants some to be made. */
  const next = async () => {
    while (due.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return due.shift() ?? assert.fail();
  };
  return { thumbnails, due, next };
}

const jpegs = (count: number) => Array.from({ length: count }, (_, index) => new Uint8Array(index + 1));
const refused = (code: string) => (error: unknown) => error instanceof LecternError && error.code === code;
const rowOf = (timeline: SegmentTimeline, n: number): Row => timeline.rows[n - 1] ?? assert.fail();

test('a moment is of the row that begins nearest to it, and has those of its neighbours with it', () => {
  const { rows } = classOf(60);
  assert.equal(momentAt(rows, 0)?.row.n, 1);
  assert.equal(momentAt(rows, 31)?.row.n, 17);
  assert.deepEqual(
    momentAt(rows, 31)
      ?.around()
      .map(({ n }) => n),
    Array.from({ length: 25 }, (_, index) => index + 1),
  );
  assert.equal(momentAt(rows, 120)?.row.n, 60);
  assert.equal(momentAt(rows, 122), undefined);
  assert.equal(momentAt([], 0), undefined);
  // Two hours: of the rows between two moments none is ever looked at.
  const long = classOf(3_600).rows;
  const seen = new Set(Array.from({ length: 7_200 }, (_, atS) => momentAt(long, atS)?.row.n));
  assert.ok(seen.size <= 257, `${seen.size} rows`);
  assert.equal(momentAt(long, 7_000)?.around().length, 25);
});

test('anyone who comes while they are made gets the same ones', async () => {
  const { thumbnails, due, next } = studio();
  const timeline = classOf(4);
  const of = recordingOf(timeline);
  const around = () => timeline.rows;
  const asked = [1, 2, 2, 4].map((n) => thumbnails.of(of, rowOf(timeline, n), around, '192.0.2.1'));
  const { count, give } = await next();
  assert.equal(count, 4);
  give(jpegs(4));
  assert.deepEqual(
    (await Promise.all(asked)).map(({ length }) => length),
    [1, 2, 2, 4],
  );
  await thumbnails.of(of, rowOf(timeline, 3), around, '192.0.2.1');
  assert.equal(due.length, 0);
});

test('of a still picture, and of a row that was taken back, there is none, be it known or not', async () => {
  const { thumbnails, next } = studio();
  const timeline = classOf(4, [2]);
  const of = recordingOf(timeline);
  const ask = (n: number) => thumbnails.of(of, rowOf(timeline, n), () => timeline.rows, '192.0.2.1');
  const [first, third] = [ask(1), ask(3)];
  await assert.rejects(ask(2), refused('not-found'));
  const { count, give } = await next();
  assert.equal(count, 3);
  timeline.settle(3, 'unrecorded');
  give(jpegs(3));
  assert.equal((await first).length, 1);
  await assert.rejects(third, refused('not-found'));
  timeline.settle(1, 'lost');
  await assert.rejects(ask(1), refused('not-found'));
});

test('one that cannot be decoded takes none of the others along', async () => {
  const { thumbnails, due, next } = studio();
  const timeline = classOf(3);
  const of = recordingOf(timeline);
  const ask = (n: number) => thumbnails.of(of, rowOf(timeline, n), () => timeline.rows, '192.0.2.1');
  const asked = [1, 2, 3].map(ask);
  const rejected = assert.rejects(asked[1] ?? assert.fail(), refused('not-found'));
  (await next()).give(jpegs(2));
  for (const alone of [1, 0, 1].map(jpegs)) {
    const { count, give } = await next();
    assert.equal(count, 1);
    give(alone);
  }
  await rejected;
  assert.equal((await asked[0])?.length, 1);
  await assert.rejects(ask(2), refused('not-found'));
  assert.equal(due.length, 0, 'it is not tried again');
});

test('where none can be made at present, who waits is told so, and the next has them made', async () => {
  const { thumbnails, next } = studio();
  const timeline = classOf(3);
  const of = recordingOf(timeline);
  const ask = (n: number) => thumbnails.of(of, rowOf(timeline, n), () => timeline.rows, '192.0.2.1');
  const refusals = [1, 2].map((n) => assert.rejects(ask(n), refused('service-unavailable')));
  (await next()).give(undefined);
  await Promise.all(refusals);
  const again = ask(1);
  (await next()).give(jpegs(3));
  assert.equal((await again).length, 1);
});

test('one viewer who asks for those of many recordings waits, and others do not', async () => {
  const { thumbnails, next } = studio();
  const timeline = classOf(1);
  const ask = (recording: number, address: string) =>
    thumbnails.of(
      recordingOf(timeline, `broadcast${recording}`),
      rowOf(timeline, 1),
      () => timeline.rows,
      address,
    );
  const results = Array.from({ length: 60 }, (_, n) => ask(n, '192.0.2.1').then(() => 'made', codeOf));
  const other = ask(100, '192.0.2.2');
  for (let made = 0; made < 41; made += 1) (await next()).give(jpegs(1));
  assert.equal((await other).length, 1);
  const outcomes = await Promise.all(results);
  assert.equal(outcomes.filter((outcome) => outcome === 'made').length, 40);
  assert.equal(outcomes.filter((outcome) => outcome === 'rate-limited').length, 20);
});

test('no more than a few hundred wait', async () => {
  const { thumbnails, next } = studio();
  const timeline = classOf(1);
  const ask = () =>
    thumbnails
      .of(recordingOf(timeline), rowOf(timeline, 1), () => timeline.rows, '192.0.2.1')
      .then(() => 'made', codeOf);
  const results = Array.from({ length: 1_000 }, ask);
  (await next()).give(jpegs(1));
  const outcomes = await Promise.all(results);
  assert.equal(outcomes.filter((outcome) => outcome === 'made').length, 200);
  assert.equal(outcomes.filter((outcome) => outcome === 'service-unavailable').length, 800);
  assert.equal(await ask(), 'made');
});

function codeOf(error: unknown): string {
  return error instanceof LecternError ? error.code : String(error);
}
