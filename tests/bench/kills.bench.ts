// What a crash costs a recording: the gateway is killed (`kill -9`) again and again at random moments while it records,
// and the supervisor starts it again. LECTERN_BENCH_KILLS says how often, 100 times if left out.
//
// Every picture that is sent is known by its bytes, which nothing on the way changes, and so are those that the
// recording holds. What a kill costs are the pictures that were sent while a gateway ran and that are not there: at its
// end, those that were not on disk yet; at the start of the next one, those that came before it was told of the class.
// A gateway runs from its line “gateway listens” until the signal. Nothing can be recorded between the two: that is said
// separately. The playlists are watched all the time, part by part: nothing that they named may ever be another thing,
// or none. nginx-rtmp with `record all` is killed in the same way, ten times, by a publisher that connects again.
import type { Browser } from 'playwright-core';
import { setTimeout as sleep } from 'node:timers/promises';
import { Recording } from '#shared/contract/rest.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { loadSecrets } from '#server/secrets.ts';
import { median, percentile, skewsMs } from '../support/av.ts';
import { findChromium, launchChromium } from '../support/chromium.ts';
import { openHlsPlayer, type HlsPlayer } from '../support/hls-player.ts';
import { readPlaylist } from '../support/hls-rules.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { startNumberedSource } from '../support/numbered-source.ts';
import { gatewayOf, putOnAir } from '../support/on-air.ts';
import { watchAnnounced } from './kills/announced.ts';
import { killNginx } from './kills/peer.ts';
import { examine, heldOf, lossesOf, marksOf, type Lost, type Run } from './kills/recorded.ts';
import { hasNginxRtmp } from './peer/nginx-rtmp.ts';
import { measured, type Measured, type Report } from './report.ts';

const KILLS = Number(process.env.LECTERN_BENCH_KILLS ?? 100);
const PEER_KILLS = 10;
const BROADCAST = 'killed234567';
/** A kill comes so long after media flow again, in ms. */
const waitMs = () => 300 + Math.random() * 5_700;
/** Over so many of the kills a plain hls.js watches: one now and then, after which the supervisor waits for nothing. */
const WATCHED = 5;
const NOW_AND_THEN_MS = 31_000;
/** A player that does not go on within this does not at all. */
const BACK_MS = 30_000;
/** The recording is looked at so often while it grows. */
const LOOKS = 3;

const spread = (values: readonly number[]): Measured =>
  measured`p50 ${median(values)} ms, p95 ${percentile(values, 95)} ms, longest ${Math.max(...values)} ms`;

export async function run(report: Report): Promise<void> {
  await ours(report);
  if (hasNginxRtmp()) await peer(report);
}

/** All that was seen while it was killed. */
interface Story {
  readonly runs: Run[];
  /** For how long none ran, at each kill, in ms. */
  readonly downMs: number[];
  /** How often less was recorded than had been said before. */
  shrunk: number;
  /** Over how many kills the player went on; undefined without a browser. */
  survived: number | undefined;
  readonly faults: string[];
  examined: number;
}

async function ours(report: Report): Promise<void> {
  const lectern = await startLectern();
  const source = await startNumberedSource();
  let browser: Browser | undefined;
  try {
    const lesson = await lectern.startClass();
    const air = await putOnAir(lectern, lesson, source, BROADCAST);
    const { pathname, search } = new URL(lesson.play.hls);
    const watch = await watchAnnounced(`${gatewayOf(lectern)}${pathname}${search}`);
    browser = findChromium() === undefined ? undefined : await launchChromium();
    const player = browser && (await openHlsPlayer(browser, lesson.play.hls));
    if (player !== undefined) await goesOn(player);

    const story: Story = { runs: [], downMs: [], shrunk: 0, survived: undefined, faults: [], examined: 0 };
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const isWatched = player !== undefined && kill <= WATCHED;
      await sleep(waitMs() + (isWatched ? NOW_AND_THEN_MS : 0));
      const fromMs = listensAtMs(lectern);
      const { recordedMs } = await air.status();
      const killedMs = Date.now();
      await lectern.kill('gateway');
      const again = await eventually(
        'the class is live again',
        async () => {
          const status = await air.status();
          return status.state === 'live' && status;
        },
        30_000,
        50,
      );
      story.runs.push({ fromMs, killedMs });
      story.downMs.push(listensAtMs(lectern) - killedMs);
      if (again.recordedMs < recordedMs) story.shrunk += 1;
      if (isWatched) story.survived = (story.survived ?? 0) + ((await goesOn(player)) ? 1 : 0);
      if (isWatched && kill === WATCHED) await browser?.close();
      if (kill % Math.ceil(KILLS / (LOOKS + 1)) === 0 && kill < KILLS)
        for (const format of ['mp4', 'flv'])
          await look(story, `${format} after ${kill} kills`, growing(lectern, format));
    }
    await sleep(3_000);
    air.vanish();
    await lectern.api('POST', `/lessons/${lesson.id}/end`);
    const recording = await eventually('it is ready', async () => {
      const [first] = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
      return first?.state === 'ready' ? first : undefined;
    });
    const [mp4 = '', flv = ''] = (['mp4', 'flv'] as const).map(
      (format) => recording.files.find((file) => file.format === format)?.url,
    );
    const bytes = new Uint8Array(await (await fetch(flv)).arrayBuffer());
    const losses = lossesOf(source.sent, heldOf(source.sent, marksOf(bytes)), story.runs);
    reportLosses(report, losses, story.downMs);
    const announced = await watch.stop();
    report({
      name: 'the same: segments and parts that a playlist named and that are gone, shorter or another thing; times at which less was recorded than had been said',
      aim: '0; 0',
      measured: measured`${announced.length}; ${story.shrunk}`,
      note: measured`of ${watch.segments} segments of each rendition ${announced.slice(0, 3).join('; ')}`,
    });
    const lengths = {
      picture: await lengthOf(recording.hls, 'v0.m3u8'),
      sound: await lengthOf(recording.hls, 'audio.m3u8'),
      mp4: await look(story, 'mp4', mp4),
      flv: await look(story, 'flv', flv),
    };
    await look(story, 'hls', recording.hls);
    report({
      name: `the same: downloads and replays with which ffprobe or a full decode by ffmpeg finds fault, of ${story.examined}`,
      aim: '0',
      measured: measured`${story.faults.length}`,
      note: story.faults.map((fault) => fault.slice(0, 200)).join('; '),
    });
    const { durationMs } = recording;
    const off = (ms: number) => measured`${ms - durationMs} ms`;
    report({
      name: 'the same: how much longer than the API says the playlists (picture, sound), the MP4 and the FLV are',
      aim: '≤ 33 ms',
      measured: measured`${off(lengths.picture)}, ${off(lengths.sound)}, ${off(lengths.mp4)}, ${off(lengths.flv)}`,
      note: measured`${durationMs / 1_000} s`,
    });
    const skews = await skewsMs(mp4, { holeS: 0.002 });
    const counted = await skewsMs(mp4);
    const both = (values: readonly number[]) =>
      measured`p50 ${median(values)} ms, furthest ${Math.max(...values.map(Math.abs))} ms`;
    report({
      name: 'the same: sound against picture in the MP4, all flashes',
      aim: '≤ 40 ms',
      measured: both(skews),
      note: measured`${skews.length} flashes; in a player that plays over holes of the sound of up to 100 ms: ${both(counted)}`,
    });
    if (story.survived !== undefined)
      report({
        name: `a plain hls.js over ${WATCHED} of these kills, half a minute apart: goes on without a reload`,
        aim: `${WATCHED} of ${WATCHED}`,
        measured: measured`${story.survived} of ${String(WATCHED)}`,
      });
  } finally {
    await browser?.close();
    await source.close();
    await lectern.stop();
  }
}

/** When the newest gateway listened, in ms since 1970. */
const listensAtMs = (lectern: Lectern): number =>
  Number(lectern.log.findLast(({ msg }) => msg === 'gateway listens')?.atMs);

/** The address of a download of the recording while it grows. */
function growing(lectern: Lectern, format: string): string {
  const { playback } = loadSecrets(lectern.dataDir);
  const expires = Math.floor(Date.now() / 1_000) + 600;
  const query = signPlayback(playback, 'play', `/replay/${BROADCAST}`, expires);
  return `${gatewayOf(lectern)}/replay/${BROADCAST}.${format}?${query}`;
}

/** Has ffmpeg examine something; returns how long it is, in ms. */
async function look(story: Story, what: string, address: string): Promise<number> {
  const { durationMs, faults } = await examine(address);
  story.examined += 1;
  if (faults !== '') story.faults.push(`${what}: ${faults}`);
  return durationMs;
}

/** True once the player shows what is sent from now on, and goes on. */
async function goesOn({ report }: HlsPlayer): Promise<boolean> {
  const nowMs = Date.now();
  const before = (await report()).position;
  try {
    await eventually(
      'it goes on',
      async () => {
        const { latencies, position } = await report();
        const shownMs = Date.now() - (latencies.at(-1) ?? Infinity) * 1_000;
        return shownMs > nowMs && position > before + 2;
      },
      BACK_MS,
    );
    return true;
  } catch {
    process.stderr.write(`hls.js stands still: ${(await report()).errors.join(', ')}\n`);
    return false;
  }
}

/** How long a playlist of a replay says it is, in ms. */
async function lengthOf(hls: string, name: string): Promise<number> {
  const url = new URL(hls);
  url.pathname = url.pathname.replace('index.m3u8', name);
  const { segments } = readPlaylist(await (await fetch(url)).text());
  return segments.reduce((sum, { durationS = 0 }) => sum + durationS * 1_000, 0);
}

function reportLosses(report: Report, losses: readonly Lost[], downMs: readonly number[]): void {
  const of = (what: (lost: Lost) => number) => spread(losses.map(what));
  report({
    name: `kill -9 of the gateway while it records, ${KILLS} times: media lost at each, but for the time in which none ran`,
    aim: '≤ 1 s',
    measured: of(({ withinMs, startMs, endMs }) => withinMs + startMs + endMs),
    note: measured`what was open: ${of(({ endMs }) => endMs)}; before it began again: ${of(({ startMs }) => startMs)}; in between: ${Math.max(...losses.map(({ withinMs }) => withinMs))} ms; none ran for ${spread(downMs)}`,
  });
}

async function peer(report: Report): Promise<void> {
  const ways = {
    'record_append off, record_unique off, as by default': '',
    'record_append on': 'record_append on;',
    'record_unique on': 'record_unique on;',
  };
  for (const [way, directives] of Object.entries(ways)) {
    const { losses, files, faults, lostMs, sentMs } = await killNginx(PEER_KILLS, waitMs, directives);
    report({
      name: `kill -9 of nginx-rtmp (record all, ${way}) while it records, ${PEER_KILLS} times: media lost of all that it was sent`,
      aim: 'alongside it',
      measured: measured`${(lostMs / sentMs) * 100} %`,
      note: measured`${lostMs / 1_000} of ${sentMs / 1_000} s; at the end of each run ${spread(losses.map(({ endMs }) => endMs))}; ${files} files, ${faults.length} of them with faults ${faults[0]?.slice(0, 150) ?? ''}`,
    });
  }
}
