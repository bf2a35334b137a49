// The chapters of a class on air: where they are on the bar, before and after the player knows of gaps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import './svelte-modules.ts';

const { LiveChapters } = await import('../../../web/state/live-chapters.svelte.ts');

const AT = Date.parse('2026-11-21T10:00:00.000Z');
const chapters = [
  { id: 'start', title: null, markedAtMs: AT - 500 },
  { id: 'leaves', title: 'Leaves', markedAtMs: AT + 4_000 },
  { id: 'roots', title: 'Roots', markedAtMs: AT + 75_000 },
  { id: 'seeds', title: 'Seeds', markedAtMs: AT + 90_000 },
];
/** Ten seconds of class, a minute without, ten more. */
const marks = [
  { startS: 0, endS: 10, wallMs: AT },
  { startS: 10, endS: 20, wallMs: AT + 70_000 },
];

function onAir() {
  const live = new LiveChapters();
  live.update({ onAir: 'live', startedAtMs: AT, chapters });
  const places = () => live.list.map(({ atS }) => atS);
  return { live, places };
}

test('of a class without gaps they are where its clock says', () => {
  const { live, places } = onAir();
  assert.deepEqual(places(), [0, 4, 75, 90]);
  assert.ok(live.isCertain(97, AT + 100_000), 'three seconds are on their way');
  assert.equal(live.seek('leaves'), 4);
  assert.equal(live.seek('unknown'), undefined);
});

test('of a class with gaps they are where the player finds them, and who went before is led there', () => {
  const { live, places } = onAir();
  assert.equal(live.isCertain(40, AT + 100_000), false);
  assert.equal(live.isCertain(undefined, AT + 100_000), false);
  assert.equal(live.seek('roots', 36), 36, 'not behind the end');
  assert.equal(live.correction(), undefined, 'not known yet');
  live.setTimeline(marks);
  assert.deepEqual(places(), [0, 4, 15, 30], 'the last since the player read its playlist');
  assert.ok(live.isCertain(30, AT + 93_000), 'without another gap since');
  assert.equal(live.isCertain(30, AT + 200_000), false);
  assert.equal(live.correction(), 15);
  assert.equal(live.correction(), undefined, 'once');
  assert.equal(live.seek('leaves', 1), 4, 'what is known is no guess');
  assert.equal(live.seek('seeds'), 30);
  live.setTimeline([...marks, { startS: 20, endS: 30, wallMs: AT + 85_000 }]);
  assert.equal(live.correction(), 25);
});

test('a chapter of which nothing can be played leads nowhere later', () => {
  const { live } = onAir();
  live.setTimeline(marks);
  live.seek('seeds');
  assert.equal(live.correction(), undefined);
  live.setTimeline([...marks, { startS: 20, endS: 40, wallMs: AT + 100_000 }]);
  assert.equal(live.correction(), undefined);
});

test('a viewer who has moved on is left alone', () => {
  const { live } = onAir();
  live.seek('roots');
  live.forget();
  live.setTimeline(marks);
  assert.equal(live.correction(), undefined);
});

test('what was known goes on while the gateway does not answer, and ends with its broadcast', () => {
  const { live, places } = onAir();
  live.setTimeline(marks);
  live.update({ onAir: 'interrupted', startedAtMs: null, chapters: [] });
  assert.deepEqual(places(), [0, 4, 15, 30]);
  live.update({ onAir: 'live', startedAtMs: AT + 80_000, chapters: chapters.slice(3) });
  assert.deepEqual(places(), [10], 'another broadcast has another clock');
  live.update({ onAir: null, startedAtMs: null, chapters: [] });
  assert.deepEqual(places(), []);
});
