// What playlists say of a class.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aacConfig } from '#shared/media/aac.ts';
import { multivariantOf, audioOnly } from '../../../gateway/hls/multivariant.ts';
import { renditionPlaylist } from '../../../gateway/hls/playlists.ts';
import { parsePlaylistName } from '../../../gateway/servers/hls/live-routes.ts';
import { SegmentTimeline } from '../../../gateway/store/segment-timeline.ts';
import { configOf } from './hand.ts';

const SECOND = 1e6;

/** A class of `count` rows; `breaks` are the rows that begin again. */
function classOf(count: number, breaks: readonly number[] = []): SegmentTimeline {
  const timeline = new SegmentTimeline();
  timeline.inits.set(0, aacConfig(48_000, 2));
  for (const layer of [0, 1, 2]) timeline.inits.set(layer + 1, configOf(layer));
  for (let n = 1; n <= count; n += 1) {
    const at = { startUs: (n - 1) * 2 * SECOND, durationUs: 2 * SECOND };
    timeline.appendRow({
      n,
      epochMs: Date.UTC(2026, 0, 1),
      discontinuity: breaks.includes(n),
      segments: {
        audio: { init: 0, ...at, bytes: 24_000, frames: 94 },
        camera0: { init: 1, ...at, bytes: 40_000, frames: 50 },
        camera1: { init: 2, ...at, bytes: 125_000, frames: 50 },
        camera2: { init: 3, ...at, bytes: 300_000 + n, frames: 60 },
      },
      slots: ['camera0', 'camera1', 'camera2'],
    });
  }
  return timeline;
}

const count = (text: string, what: string) => text.split(what).length - 1;

test('a live playlist names the last six rows and nothing older', () => {
  const text = renditionPlaylist(classOf(20), 2, 'live', false, 'sign=x');
  assert.match(text, /#EXT-X-TARGETDURATION:2\n/);
  assert.match(text, /#EXT-X-MEDIA-SEQUENCE:15\n/);
  assert.equal(count(text, '#EXTINF'), 6);
  assert.equal(count(text, '#EXT-X-PROGRAM-DATE-TIME'), 6);
  assert.ok(text.includes('20-camera2.m4s?sign=x'));
  assert.ok(text.includes('#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:28.000Z'));
  assert.ok(!text.includes('ENDLIST'));
});

test('the first row is number one, and a playlist is there as soon as it is complete', () => {
  const text = renditionPlaylist(classOf(1), 'audio', 'live', false, '');
  assert.match(text, /#EXT-X-MEDIA-SEQUENCE:1\n/);
  assert.match(text, /#EXT-X-MAP:URI="init-0.mp4"/);
});

test('discontinuities that slid out of the window are counted, for all renditions alike', () => {
  const timeline = classOf(20, [3, 9, 17]);
  for (const rendition of [0, 2, 'audio'] as const) {
    const text = renditionPlaylist(timeline, rendition, 'live', false, '');
    assert.match(text, /#EXT-X-DISCONTINUITY-SEQUENCE:2\n/);
    assert.equal(count(text, '#EXT-X-DISCONTINUITY\n'), 1);
  }
});

test('the time-shift begins at minute zero, and the replay is complete', () => {
  const timeline = classOf(20);
  const dvr = renditionPlaylist(timeline, 0, 'event', false, '');
  assert.match(dvr, /#EXT-X-PLAYLIST-TYPE:EVENT/);
  assert.equal(count(dvr, '#EXTINF'), 20);
  const replay = renditionPlaylist(timeline, 0, 'vod', true, '');
  assert.match(replay, /#EXT-X-PLAYLIST-TYPE:VOD/);
  assert.match(replay, /#EXT-X-ENDLIST\n$/);
});

test('a part of the replay leaves out its ends, encrypted too', () => {
  const timeline = classOf(20, [3, 9, 17]);
  const startMs = Date.UTC(2026, 0, 1);
  timeline.trim({ fromMs: startMs + 5_000, toMs: startMs + 35_000 });
  assert.deepEqual(timeline.span, { fromMs: startMs + 6_000, toMs: startMs + 34_000 });
  assert.equal(timeline.durationMs, 28_000);
  for (const options of [{}, { keyUri: 'key' }]) {
    const text = renditionPlaylist(timeline, 2, 'vod', true, '', options);
    const numbers = [...text.matchAll(/^(\d+)-camera2/gm)].map(([, n]) => Number(n));
    assert.deepEqual(
      numbers,
      Array.from({ length: 14 }, (_, index) => index + 4),
    );
    assert.match(text, /#EXT-X-MEDIA-SEQUENCE:4\n/, 'which is the vector of the first one');
    assert.ok(!text.includes('EXT-X-GAP'));
  }
});

test('in a replay all renditions are at the same time where players begin again', () => {
  const timeline = new SegmentTimeline();
  const row = (n: number, sound: [number, number], picture: [number, number], discontinuity = false) => {
    const at = ([fromS, toS]: [number, number]) => ({
      ...{ init: 0, startUs: fromS * SECOND, durationUs: (toS - fromS) * SECOND, bytes: 1, frames: 1 },
    });
    const segments = { audio: at(sound), camera0: at(picture) };
    timeline.appendRow({ n, epochMs: 0, discontinuity, segments, slots: ['camera0'], targetS: 2 });
  };
  // The sound is there before the picture and ends before it; after an interruption it is the other way round.
  row(1, [0, 2], [0.6, 2.1]);
  row(2, [2, 3.8], [2.1, 4]);
  row(3, [10.3, 12], [10, 12], true);
  row(4, [12, 14.1], [12, 14]);
  row(5, [20, 20.5], [20.1, 20.4], true);
  const lengths = (view: 'vod' | 'event', rendition: 0 | 'audio') => {
    const text = renditionPlaylist(timeline, rendition, view, view === 'vod', '');
    return [...text.matchAll(/EXTINF:([\d.]+)/g)].map(([, length]) => Number(length));
  };
  assert.deepEqual(lengths('vod', 'audio'), [1.4, 1.8, 1.7, 2, 0.3]);
  assert.deepEqual(lengths('vod', 0), [1.5, 1.7, 1.7, 2, 0.3]);
  assert.deepEqual(lengths('event', 'audio'), [2, 1.8, 1.7, 2.1, 0.5], 'what was said once stays');
});

test('the multivariant playlist says what was measured, best first', () => {
  const text = multivariantOf(classOf(20), 'live', (rendition) => `b/${rendition}.m3u8`, 'sign=x');
  const variants = text.split('\n').filter((line) => line.startsWith('#EXT-X-STREAM-INF'));
  assert.equal(variants.length, 3);
  assert.match(variants[0]!, /RESOLUTION=1280x720/);
  assert.match(variants[0]!, /FRAME-RATE=30.000/);
  assert.match(variants[0]!, /CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2"/);
  // 300,020 bytes and 24,000 bytes in two seconds.
  assert.match(variants[0]!, /BANDWIDTH=1296080/);
  assert.match(variants[2]!, /RESOLUTION=320x180/);
  assert.ok(text.includes('URI="b/audio.m3u8?sign=x"'));
});

test('the sound alone has a list of its own', () => {
  const text = audioOnly(classOf(20), 'b/audio.m3u8', 'sign=x');
  // 24,000 bytes in two seconds.
  assert.match(
    text,
    /STREAM-INF:BANDWIDTH=96000,AVERAGE-BANDWIDTH=96000,CODECS="mp4a\.40\.2"\nb\/audio\.m3u8\?sign=x\n$/,
  );
});

test('a segment that stands for a source that is not there is described by the last that was', () => {
  const timeline = classOf(4);
  timeline.inits.set(9, configOf(0));
  const at = { startUs: 8 * SECOND, durationUs: 2 * SECOND };
  timeline.appendRow({
    n: 5,
    epochMs: 0,
    discontinuity: true,
    segments: {
      audio: { init: 0, ...at, bytes: 24_000, frames: 94 },
      still: { init: 9, ...at, bytes: 1_000, frames: 4 },
    },
    slots: ['still', 'still', 'still'],
  });
  assert.match(multivariantOf(timeline, 'live', String, ''), /RESOLUTION=1280x720/);
});

test('where the next layer stands in for one that stopped, the one that stopped is described', () => {
  const timeline = classOf(4);
  const at = { startUs: 8 * SECOND, durationUs: 2 * SECOND };
  const row = { n: 5, epochMs: 0, discontinuity: true };
  const audio = { init: 0, ...at, bytes: 24_000, frames: 94 };
  const camera1 = { init: 2, ...at, bytes: 125_000, frames: 50 };
  timeline.appendRow({ ...row, segments: { audio, camera1 }, slots: ['camera1', 'camera1', 'camera1'] });
  const sizes = (text: string) => [...text.matchAll(/RESOLUTION=(\w+)/g)].map(([, size]) => size);
  const described = ['1280x720', '640x360', '320x180'];
  assert.deepEqual(sizes(multivariantOf(timeline, 'live', String, '')), described);
  timeline.inits.set(4, configOf(2));
  const screen0 = { init: 4, ...at, bytes: 125_000, frames: 50 };
  timeline.appendRow({
    ...row,
    n: 6,
    segments: { audio, screen0 },
    slots: ['screen0', 'screen0', 'screen0'],
  });
  const shared = sizes(multivariantOf(timeline, 'live', String, ''));
  assert.deepEqual(shared, ['1280x720', '1280x720', '1280x720'], 'a screen stays');
});

test('playlist names are read strictly', () => {
  assert.deepEqual(parsePlaylistName('v2-dvr.m3u8'), { rendition: 2, isDvr: true });
  assert.deepEqual(parsePlaylistName('audio.m3u8'), { rendition: 'audio', isDvr: false });
  for (const name of ['v3.m3u8', 'v.m3u8', 'video.m3u8', 'audio.m3u', 'V1.m3u8']) {
    assert.equal(parsePlaylistName(name), undefined);
  }
});
