// All of Lectern: a source of one size, published over RTMP, reaches the audience in two.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { publishPaths } from '#shared/contract/publish.ts';
import { Recording, type Lesson } from '#shared/contract/rest.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { loadSecrets } from '#server/secrets.ts';
import { capture, decodeErrors, probe } from '../../support/av.ts';
import { findChromium, launchChromium } from '../../support/chromium.ts';
import { family } from '../../support/cost.ts';
import { openHlsPlayer } from '../../support/hls-player.ts';
import { attributes, readPlaylist, type SeenPlaylist, type SeenSegment } from '../../support/hls-rules.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { gatewayOf } from '../../support/on-air.ts';
import { large } from './films.ts';
import { run as start, type Program } from './rig.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'lectern-renditions-'));
let lectern: Lectern;
let lesson: Lesson;
let publisher: Program;

interface Rendition {
  readonly height: number;
  readonly url: string;
}

const DROPPED = 'lectern_made_renditions_dropped_total';
/** Segments that are looked at. */
const COUNT = 3;

interface Packet {
  readonly pts_time: string;
  readonly flags: string;
}

before(async () => {
  lectern = await startLectern({ LECTERN_LADDERS: '1' });
  lesson = await lectern.startClass();
  const key = makePublishKey(loadSecrets(lectern.dataDir).playback, lesson.channel, lesson.id, 0);
  const server = lesson.play.rtmp.split('/live/')[0] ?? '';
  const url = `${server}/live/${publishPaths(lesson.channel, key).rtmpStreamKey}`;
  const film = ['-re', '-stream_loop', '-1', '-i', large(), '-c', 'copy'];
  publisher = start('ffmpeg', ['-v', 'warning', ...film, '-f', 'flv', url]);
  await eventually('HLS plays', async () => (await fetch(lesson.play.hls)).ok, 30_000);
});
after(async () => {
  await publisher.stop();
  await lectern.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function text(url: string): Promise<string> {
  const response = await fetch(url);
  assert.ok(response.ok, `${url} is ${response.status}`);
  return response.text();
}

/** What the multivariant playlist at `url` lists, largest first. */
async function renditions(url: string): Promise<Rendition[]> {
  const lines = (await text(url)).split('\n');
  return lines.flatMap((line, index) => {
    if (!line.startsWith('#EXT-X-STREAM-INF:')) return [];
    const height = Number(attributes(line).RESOLUTION?.split('x')[1]);
    return [{ height, url: new URL(lines[index + 1] ?? '', url).href }];
  });
}

const playlist = async (url: string): Promise<SeenPlaylist> => readPlaylist(await text(url));

/** The newest `COUNT` whole segments of a rendition, up to segment `last`, if they are all of one picture. */
async function segmentsOf(url: string, last = Infinity): Promise<SeenSegment[] | undefined> {
  const { segments } = await playlist(url);
  const newest = segments.filter(({ n, uri }) => uri !== undefined && n <= last).slice(-COUNT);
  return newest.length === COUNT && new Set(newest.map(({ map }) => map)).size === 1 ? newest : undefined;
}

/** Keeps them as one file. */
async function fileOf(url: string, segments: readonly SeenSegment[]): Promise<string> {
  const uris = [segments[0]?.map ?? '', ...segments.flatMap(({ uri }) => uri ?? [])];
  const bytes = await Promise.all(
    uris.map(async (uri) => Buffer.from(await (await fetch(new URL(uri, url))).arrayBuffer())),
  );
  const file = join(folder, 'segments.mp4');
  writeFileSync(file, Buffer.concat(bytes));
  return file;
}

/** What is in them. */
async function packets(url: string, segments: readonly SeenSegment[]) {
  const file = await fileOf(url, segments);
  assert.equal(await decodeErrors(file), '');
  const show = ['-show_entries', 'stream=codec_name,width,height,has_b_frames:packet=pts_time,flags'];
  const { stdout } = await run('ffprobe', ['-v', 'error', ...show, '-of', 'json', file]);
  const found = JSON.parse(stdout) as { packets: Packet[]; streams: Record<string, unknown>[] };
  const timesMs = (of: Packet[]) => of.map(({ pts_time }) => Math.round(Number(pts_time) * 1_000));
  return {
    stream: found.streams[0],
    allMs: timesMs(found.packets),
    keysMs: timesMs(found.packets.filter(({ flags }) => flags.startsWith('K'))),
  };
}

/** The ffmpeg that makes the smaller renditions. */
function makers(): number[] {
  return family(lectern.pid('gateway')).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('force_key_frames\0source');
    } catch {
      return false;
    }
  });
}

async function metric(name: string): Promise<number> {
  const metrics = await text(`${gatewayOf(lectern)}/metrics`);
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)`, 'm').exec(metrics)?.[1]);
}

/** Matroska, FLV and MP4 each round times. */
const areAmong = (some: readonly number[], all: readonly number[]) =>
  some.length > 0 && some.every((ms) => all.some((other) => Math.abs(other - ms) <= 2));

test('the smaller rendition has the pictures of the source, at their times, with its key frames', async (t) => {
  const [best, made] = await eventually('two sizes', async () => {
    const list = await renditions(lesson.play.hls);
    return list.length === 2 && list[1]?.height === 360 ? list : undefined;
  });
  assert.ok(best !== undefined && made !== undefined);
  assert.equal(best.height, 720);
  const segments = await eventually('some segments in both', async () => {
    const smaller = await segmentsOf(made.url);
    const source = await segmentsOf(best.url, smaller?.at(-1)?.n);
    return source?.at(-1)?.n === smaller?.at(-1)?.n && source && smaller && { source, smaller };
  });
  const source = await packets(best.url, segments.source);
  const smaller = await packets(made.url, segments.smaller);
  assert.deepEqual(smaller.stream, { codec_name: 'h264', width: 640, height: 360, has_b_frames: 0 });
  t.diagnostic(`key frames ${source.keysMs.join(' ')} and ${smaller.keysMs.join(' ')} ms`);
  assert.ok(source.keysMs.length >= 3);
  assert.ok(areAmong(smaller.keysMs, source.keysMs));
  // Where this machine is busy, what was late was left out up to the next key frame.
  assert.ok(smaller.allMs.length > source.allMs.length / 2);
  assert.ok(areAmong(smaller.allMs, source.allMs), 'each picture at the time of its source');
  const [pid = 0, ...others] = makers();
  assert.equal(others.length, 0);
  assert.equal(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[16], '10', 'nice');
  assert.equal(await metric('lectern_made_renditions'), 1);
});

test('viewers of one picture stay with the source', async () => {
  const file = join(folder, 'watched.mkv');
  await capture(lesson.play.flv, file, 2);
  assert.equal((await probe(file)).streams.find(({ type }) => type === 'video')?.height, 720);
});

test('a player goes down and up without a gap', { skip: findChromium() === undefined }, async (t) => {
  const browser = await launchChromium();
  try {
    const player = await openHlsPlayer(browser, lesson.play.hls);
    const shows = (height: number) =>
      eventually(
        `it shows ${height} lines`,
        async () => {
          const { latencies, ...report } = await player.report();
          if (report.height === height) return true;
          throw new Error(JSON.stringify({ ...report, latency: latencies.at(-1) }));
        },
        60_000,
      );
    await eventually('it plays', async () => (await player.report()).position > 0, 20_000);
    for (const height of [720, 360, 720, 360]) {
      await player.choose(height);
      await shows(height);
    }
    const { errors, stalls } = await player.report();
    t.diagnostic(`${stalls} stalls; ${errors.join()}`);
    assert.ok(!errors.some((error) => error.includes('fatal')), errors.join());
  } finally {
    await browser.close();
  }
});

test('when its ffmpeg is killed the source goes on, and the smaller rendition comes back', async () => {
  const [best, made] = await renditions(lesson.play.hls);
  assert.ok(best !== undefined && made !== undefined);
  const before = (await playlist(best.url)).segments.at(-1)?.n ?? 0;
  const droppedBefore = await metric(DROPPED);
  const pid = await eventually('it is at work', () => makers()[0], 30_000);
  process.kill(pid, 'SIGKILL');
  await eventually('it is logged', () =>
    lectern.log.some(({ why }) => String(why).includes('ended; see the log')),
  );
  await eventually('it is counted', async () => (await metric(DROPPED)) > droppedBefore);
  const isAnother = () => makers().some((other) => other !== pid);
  await eventually('another one', isAnother, 30_000);
  const isBack = async () => {
    const [first] = (await segmentsOf(made.url)) ?? [];
    return first !== undefined && first.n > before && first.uri?.includes('camera0');
  };
  await eventually('it is back', isBack, 60_000);
  const since = (await playlist(best.url)).segments.filter(({ n }) => n >= before);
  assert.equal(new Set(since.map(({ map }) => map)).size, 1);
  assert.ok(since.every(({ uri = 'camera1' }) => uri.includes('camera1')));
  assert.ok(since.every(({ durationS = 2 }) => durationS < 2.5));
  assert.equal(await decodeErrors(await fileOf(best.url, since)), '');
});

test('the replay has both', async () => {
  await publisher.stop();
  await lectern.api('POST', `/lessons/${lesson.id}/end`);
  const url = await eventually('the replay', async () => {
    const [recording] = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
    return recording?.state === 'ready' && recording.hls;
  });
  const list = await renditions(url);
  assert.deepEqual(
    list.map(({ height }) => height),
    [720, 360],
  );
  for (const { height, url: one } of list) {
    const whole = (await playlist(one)).segments;
    // While the smaller one was not made its place shows the source.
    const pieces = Map.groupBy(whole, ({ discontinuities }) => discontinuities);
    for (const segments of pieces.values()) {
      const uris = segments.map(({ uri }) => uri?.replace(/\?.*/, ''));
      assert.equal(await decodeErrors(await fileOf(one, segments)), '', `${height}: ${uris.join(' ')}`);
    }
  }
});
