// The parts of a class as one replay: what its playlists say, and which file each name is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aacConfig } from '#shared/media/aac.ts';
import type { RenditionId } from '../../../gateway/hls/rendition-id.ts';
import { JoinedTimeline } from '../../../gateway/hls/joined-timeline.ts';
import { multivariantOf } from '../../../gateway/hls/multivariant.ts';
import { playlistName, renditionPlaylist, type Rendition } from '../../../gateway/hls/playlists.ts';
import { SegmentTimeline, type Row } from '../../../gateway/store/segment-timeline.ts';
import { configOf } from './hand.ts';

const SECOND = 1e6;
const NINE = Date.UTC(2026, 2, 2, 9);
const TEN = Date.UTC(2026, 2, 2, 10);

interface PartOptions {
  /** Of how many rows. */
  readonly rows: number;
  readonly epochMs: number;
  /** The size of each rendition, 2 being the largest of a camera's. */
  readonly ladder: readonly number[];
  readonly targetS?: number;
  /** Rows whose media are gone. */
  readonly lost?: readonly number[];
}

const CAMERAS: readonly RenditionId[] = ['camera0', 'camera1', 'camera2'];

function recordingOf({ rows, epochMs, ladder, targetS = 2, lost = [] }: PartOptions): SegmentTimeline {
  const timeline = new SegmentTimeline();
  timeline.inits.set(0, aacConfig(48_000, 2));
  for (const [slot, size] of ladder.entries()) timeline.inits.set(slot + 1, configOf(size));
  const slots = CAMERAS.slice(0, ladder.length);
  for (let n = 1; n <= rows; n += 1) {
    const at = { startUs: (n - 1) * targetS * SECOND, durationUs: targetS * SECOND };
    const segments: Row['segments'] = { audio: { init: 0, ...at, bytes: 24_000, frames: 94 } };
    for (const [slot, label] of slots.entries())
      segments[label] = { init: slot + 1, ...at, bytes: 60_000 * (slot + 1), frames: 50 };
    const row = { n, epochMs, discontinuity: false, segments, slots };
    timeline.appendRow({ ...row, targetS }, lost.includes(n) ? 'lost' : 'kept');
  }
  return timeline;
}

const join = (...parts: PartOptions[]) => new JoinedTimeline(parts.map(recordingOf));
const playlistOf = ({ timeline }: JoinedTimeline, rendition: Rendition, keyUri?: string) =>
  renditionPlaylist(timeline, rendition, 'vod', true, 'sign=x', { keyUri }).split('\n');
const segmentsOf = (lines: readonly string[]) => lines.filter((line) => /^\d/.test(line));
const RENDITIONS = [0, 1, 2, 'audio'] as const;

test('one part follows the other, and players begin again between them', () => {
  const joined = join(
    { rows: 3, epochMs: NINE, ladder: [0, 1, 2] },
    { rows: 2, epochMs: TEN, ladder: [0, 1, 2] },
  );
  for (const rendition of RENDITIONS) {
    const label = rendition === 'audio' ? 'audio' : `camera${rendition}`;
    const init = rendition === 'audio' ? 0 : rendition + 1;
    assert.deepEqual(playlistOf(joined, rendition), [
      ...['#EXTM3U', '#EXT-X-VERSION:6', '#EXT-X-TARGETDURATION:2', '#EXT-X-MEDIA-SEQUENCE:1'],
      '#EXT-X-PLAYLIST-TYPE:VOD',
      `#EXT-X-MAP:URI="init-${init}.mp4?sign=x"`,
      ...['09:00:00', '09:00:02', '09:00:04'].flatMap((time, index) => [
        `#EXT-X-PROGRAM-DATE-TIME:2026-03-02T${time}.000Z`,
        ...['#EXTINF:2.000,', `${index + 1}-${label}.m4s?sign=x`],
      ]),
      '#EXT-X-DISCONTINUITY',
      `#EXT-X-MAP:URI="init-${init + 4}.mp4?sign=x"`,
      ...['10:00:00', '10:00:02'].flatMap((time, index) => [
        `#EXT-X-PROGRAM-DATE-TIME:2026-03-02T${time}.000Z`,
        ...['#EXTINF:2.000,', `${index + 4}-${label}.m4s?sign=x`],
      ]),
      ...['#EXT-X-ENDLIST', ''],
    ]);
  }
});

test('each name is one file of one part, and what no part has is none', () => {
  const joined = join(
    { rows: 3, epochMs: NINE, ladder: [0, 1, 2] },
    { rows: 2, epochMs: TEN, ladder: [2] },
    { rows: 4, epochMs: TEN, ladder: [0, 1, 2] },
  );
  assert.deepEqual(joined.locate('3-audio.m4s'), { part: 0, file: '3-audio.m4s', n: 3 });
  assert.deepEqual(joined.locate('4-camera0.m4s'), { part: 1, file: '1-camera0.m4s', n: 4 });
  assert.deepEqual(joined.locate('9-camera2.m4s'), { part: 2, file: '4-camera2.m4s', n: 9 });
  assert.deepEqual(joined.locate('init-3.mp4'), { part: 0, file: 'init-3.mp4', n: undefined });
  assert.deepEqual(joined.locate('init-4.mp4'), { part: 1, file: 'init-0.mp4', n: undefined });
  assert.deepEqual(joined.locate('init-9.mp4'), { part: 2, file: 'init-3.mp4', n: undefined });
  for (const name of ['0-audio.m4s', 'v0.m3u8', 'still.jpg', '1-audio-0-run.m4s', '../1-audio.m4s'])
    assert.equal(joined.locate(name), undefined, name);
});

test('a part with fewer renditions gives the one that is nearest in size', () => {
  const whole = { rows: 1, epochMs: NINE, ladder: [0, 1, 2] };
  const shown = (ladder: readonly number[]) => {
    const joined = join(whole, { rows: 1, epochMs: TEN, ladder });
    return [0, 1, 2].map((rendition) => segmentsOf(playlistOf(joined, rendition))[1]?.replace(/\?.*/, ''));
  };
  assert.deepEqual(shown([2]), ['2-camera0.m4s', '2-camera0.m4s', '2-camera0.m4s']);
  // 360 and 720 lines are the upper two of three, not the lower two.
  assert.deepEqual(shown([1, 2]), ['2-camera0.m4s', '2-camera0.m4s', '2-camera1.m4s']);
  assert.deepEqual(shown([0, 1]), ['2-camera0.m4s', '2-camera1.m4s', '2-camera1.m4s']);
  assert.deepEqual(shown([0, 1, 2]), ['2-camera0.m4s', '2-camera1.m4s', '2-camera2.m4s']);
  // Whichever of the two comes first.
  const later = join({ rows: 1, epochMs: NINE, ladder: [2] }, { ...whole, epochMs: TEN });
  for (const rendition of RENDITIONS) assert.equal(segmentsOf(playlistOf(later, rendition)).length, 2);
  assert.equal(segmentsOf(playlistOf(later, 1))[1], '2-camera1.m4s?sign=x');
});

test('the list of renditions is of all parts: as many as one has at most, with the highest rate', () => {
  const { timeline } = join(
    { rows: 2, epochMs: NINE, ladder: [2] },
    { rows: 2, epochMs: TEN, ladder: [0, 1, 2] },
  );
  const uriOf = (rendition: Rendition) => playlistName(rendition, 'vod');
  const text = multivariantOf(timeline, 'vod', uriOf, 'sign=x');
  const variants = text.split('\n').filter((line) => line.startsWith('#EXT-X-STREAM-INF'));
  assert.equal(variants.length, 3);
  // 180,000 bytes of picture at most and 24,000 of sound in two seconds; and 60,000 of picture in the first part.
  assert.match(variants[0] ?? '', /BANDWIDTH=816000,AVERAGE-BANDWIDTH=576000,.*RESOLUTION=1280x720/);
  assert.match(variants[2] ?? '', /RESOLUTION=320x180/);
});

test('the target duration is the largest of any part, and never less than a segment', () => {
  const joined = join(
    { rows: 2, epochMs: NINE, ladder: [2] },
    { rows: 2, epochMs: TEN, ladder: [2], targetS: 6 },
  );
  assert.ok(playlistOf(joined, 0).includes('#EXT-X-TARGETDURATION:6'));
});

test('what is lost is left out, and numbers stay as they are', () => {
  const joined = join(
    { rows: 4, epochMs: NINE, ladder: [2], lost: [2, 4] },
    { rows: 3, epochMs: TEN, ladder: [2], lost: [1] },
  );
  for (const rendition of [0, 'audio'] as const) {
    const lines = playlistOf(joined, rendition);
    const numbers = segmentsOf(lines).map((line) => Number.parseInt(line));
    assert.deepEqual(numbers, [1, 3, 6, 7]);
    // After the second row, and where the parts meet.
    assert.equal(lines.filter((line) => line === '#EXT-X-DISCONTINUITY').length, 2);
  }
});

test('a part of which nothing is left takes nothing away from the others', () => {
  const joined = join(
    { rows: 2, epochMs: NINE, ladder: [2] },
    { rows: 2, epochMs: TEN, ladder: [2], lost: [1, 2] },
    { rows: 2, epochMs: TEN, ladder: [2] },
  );
  const numbers = segmentsOf(playlistOf(joined, 0)).map((line) => Number.parseInt(line));
  assert.deepEqual(numbers, [1, 2, 5, 6]);
  assert.equal(joined.timeline.durationMs, 8_000);
});

test('encrypted, the whole has one key, and every number is that of its place in the playlist', () => {
  const joined = join(
    { rows: 3, epochMs: NINE, ladder: [2], lost: [2] },
    { rows: 2, epochMs: TEN, ladder: [2] },
  );
  const lines = playlistOf(joined, 0, 'key');
  const first = Number(/MEDIA-SEQUENCE:(\d+)/.exec(lines.join('\n'))?.[1]);
  // No IV is written, so that of a segment is its media sequence number.
  assert.ok(lines.includes('#EXT-X-KEY:METHOD=AES-128,URI="key?sign=x"'));
  for (const [index, line] of segmentsOf(lines).entries())
    assert.equal(joined.locate(line.replace(/\?.*/, ''))?.n, first + index);
  assert.equal(segmentsOf(lines).length, 5, 'what is lost is a gap there');
});
