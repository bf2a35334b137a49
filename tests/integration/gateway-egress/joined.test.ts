// A class in two broadcasts: one replay that has every picture and every sound of both, for who may watch it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { AS_THE_SCHOOL, DEFAULT_ACCESS } from '#shared/contract/access.ts';
import { ErrorBody } from '#shared/contract/errors.ts';
import { replayName } from '#shared/contract/playback.ts';
import { capture, skewsMs } from '../../support/av.ts';
import { launchChromium } from '../../support/chromium.ts';
import { playHlsInChromium } from '../../support/other-players.ts';
import type { BroadcastInfo } from '../../../gateway/channel/ports.ts';
import { SegmentEncryption } from '../../../gateway/servers/hls/encryption.ts';
import { shoot, shots, type Film } from './film.ts';
import { info, startRig, type Rig } from './rig.ts';

const run = promisify(execFile);
const FIRST = info;
const SECOND: BroadcastInfo = { ...info, broadcast: 'broadcast2' };
const THIRD: BroadcastInfo = { ...info, broadcast: 'broadcast3' };
const FOREIGN: BroadcastInfo = {
  broadcast: 'broadcast9',
  lesson: 'lesson9999',
  channel: 'channel999',
  title: 'Another class',
};
/** When each begins, on one clock. */
const AFTER_A_BREAK_US = 600e6;
/** The sound of the first ends so much before its picture, and silence fills that; that of the second begins so much before it. */
const EARLY_US = 300_000;
const LATE_US = 600_000;
const nameOf = (...parts: readonly BroadcastInfo[]) => replayName(parts.map(({ broadcast }) => broadcast));
const WHOLE = `/replay/${nameOf(FIRST, SECOND)}` as const;
const RENDITIONS = ['v0', 'v1', 'v2', 'audio'];

/** Puts the film on air as this broadcast, until its end. */
async function teach(
  rig: Rig,
  which: BroadcastInfo,
  film: Film,
  { fromUs = 0, pictureLateUs = 0, soundEarlyUs = 0 } = {},
): Promise<void> {
  const air = rig.goLive(which);
  const all = shots(film, fromUs);
  const endUs = all.at(-1)?.atUs ?? 0;
  air.send(
    all.filter(({ layer, atUs }) =>
      layer === -1 ? atUs < endUs - soundEarlyUs : atUs >= fromUs + pictureLateUs,
    ),
  );
  air.programme.end();
  await air.ladder.end();
}

/** How many frames ffmpeg decodes of what is at `input`, and what it complains about. */
async function decoded(input: string): Promise<{ frames: number; complaints: string }> {
  const { stdout, stderr } = await run(
    'ffprobe',
    ['-v', 'error', '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', input],
    { timeout: 60_000 },
  );
  return { frames: Number.parseInt(stdout), complaints: stderr };
}

/** How many pictures GStreamer shows of what is at `input`. */
async function shownByGstreamer(input: string): Promise<number> {
  const pipeline = `uridecodebin uri=${input} caps=video/x-raw ! identity name=shown silent=false ! fakesink sync=false`;
  const { stdout } = await run('gst-launch-1.0', ['-v', ...pipeline.split(' ')], {
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.match(/last-message = chain /g)?.length ?? 0;
}

/** How long each segment of a playlist is said to be, in s. */
const lengthsIn = (playlist: string): number[] =>
  [...playlist.matchAll(/EXTINF:([\d.]+)/g)].map(([, length = '']) => Number(length));
const lengthS = (playlist: string): number => lengthsIn(playlist).reduce((sum, length) => sum + length, 0);

async function said(url: string): Promise<number | string> {
  const response = await fetch(url);
  if (!response.ok) return ErrorBody.parse(await response.json()).error.code;
  await response.arrayBuffer();
  return response.status;
}

let films: { long: Film; short: Film; small: Film };
let dir: string;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lectern-joined-'));
  films = { long: await shoot(9), short: await shoot(7), small: await shoot(5, 1) };
});
after(() => rmSync(dir, { recursive: true }));

for (const [what, encryption] of [
  ['as it is', undefined],
  ['encrypted', new SegmentEncryption('a secret of the tests')],
] as const)
  describe(`a class that went on after a break, ${what}`, () => {
    let rig: Rig;
    before(async () => {
      rig = await startRig(undefined, 60_000, {}, encryption);
      await teach(rig, FIRST, films.long, { soundEarlyUs: EARLY_US });
      await teach(rig, SECOND, films.short, { fromUs: AFTER_A_BREAK_US, pictureLateUs: LATE_US });
      await teach(rig, THIRD, films.small, { fromUs: 2 * AFTER_A_BREAK_US });
    });
    after(() => rig.close());

    const framesIn = async (path: string) => {
      const { frames, complaints } = await decoded(rig.signed(path));
      assert.equal(complaints, '', path);
      return frames;
    };

    test('plays every picture and every sound of both parts, in each quality', async () => {
      for (const rendition of RENDITIONS) {
        const shot = (film: Film, lateUs: number, earlyUs: number) =>
          rendition === 'audio'
            ? film.audio.filter(({ ptsUs }) => ptsUs < film.audio.at(-1)!.ptsUs - earlyUs).length
            : film.layers[0]!.filter(({ ptsUs }) => ptsUs >= lateUs).length;
        const first = await framesIn(`/replay/${FIRST.broadcast}/${rendition}.m3u8`);
        const second = await framesIn(`/replay/${SECOND.broadcast}/${rendition}.m3u8`);
        assert.ok(
          first >= shot(films.long, 0, EARLY_US) && second >= shot(films.short, LATE_US, 0),
          `${first} and ${second} frames`,
        );
        assert.equal(await framesIn(`${WHOLE}/${rendition}.m3u8`), first + second, rendition);
      }
    });

    test('has sound and picture together in both', async () => {
      const file = join(dir, 'whole.mkv');
      await capture(rig.signed(`${WHOLE}/index.m3u8`), file, 30);
      const skews = await skewsMs(file);
      assert.ok(skews.length >= 6, `${skews.length} flashes were seen with a beep`);
      for (const skew of skews) assert.ok(Math.abs(skew) <= 60, `sound and picture are ${skew} ms apart`);
    });

    test('says in every quality alike where the second part begins, and when everything was', async () => {
      const lists = await Promise.all(
        RENDITIONS.map(async (rendition) => (await fetch(rig.signed(`${WHOLE}/${rendition}.m3u8`))).text()),
      );
      const breaks = lists.map((text) => {
        const entries = text.split('#EXTINF').slice(0, -1);
        return entries.flatMap((entry, index) => (entry.includes('#EXT-X-DISCONTINUITY\n') ? [index] : []));
      });
      const [expected] = breaks;
      const rows = (await rig.store.replay(FIRST.broadcast))?.timeline.rows.length;
      assert.equal(expected?.at(-1), rows);
      assert.deepEqual(
        breaks,
        RENDITIONS.map(() => expected),
      );
      // All are at the same time there, or a player that begins just there waits for one of them forever.
      const seamS = lists.map((text) => {
        const [before = ''] = text.split('#EXT-X-DISCONTINUITY\n').slice(-2);
        return lengthS(before);
      });
      for (const atS of seamS) assert.ok(Math.abs(atS - (seamS[0] ?? 0)) < 0.001, seamS.join());
      for (const text of lists) {
        const dates = [...text.matchAll(/PROGRAM-DATE-TIME:(.*)/g)].map(([, date = '']) => Date.parse(date));
        assert.deepEqual(
          dates,
          dates.toSorted((a, b) => a - b),
        );
        assert.ok((dates.at(-1) ?? 0) - (dates[0] ?? 0) > 600_000, 'the break is between');
        const targetS = Number(/TARGETDURATION:(\d+)/.exec(text)?.[1]);
        for (const length of lengthsIn(text)) assert.ok(Math.round(length) <= targetS, `${length} s`);
      }
    });

    /** All three, the last of which has another size: ffmpeg keeps to the first that it was told. */
    const ALL = [FIRST, SECOND, THIRD];
    const picturesOfAll = async (best: number) => {
      const counts = ALL.map(({ broadcast }) =>
        framesIn(`/replay/${broadcast}/v${broadcast === THIRD.broadcast ? 0 : best}.m3u8`),
      );
      return (await Promise.all(counts)).reduce((sum, count) => sum + count);
    };

    // GStreamer 1.22 takes no init segment in the clear for segments that are encrypted.
    if (encryption === undefined)
      test('is played whole by GStreamer, in whatever size a part is', async () => {
        const shown = await shownByGstreamer(rig.signed(`/replay/${nameOf(...ALL)}/v2.m3u8`));
        assert.equal(shown, await picturesOfAll(2));
      });

    test('is played whole by hls.js in Chromium, in whatever size a part is', async () => {
      const browser = await launchChromium();
      try {
        const address = rig.signed(`/replay/${nameOf(...ALL)}/index.m3u8`);
        const played = await playHlsInChromium(browser, address);
        assert.ok(Math.abs(played.durationS - 21 + LATE_US / 1e6) < 0.5, `${played.durationS} s`);
        const pictures = await picturesOfAll(2);
        assert.ok(played.pictures >= pictures, `${played.pictures} of ${pictures} pictures`);
        assert.ok(played.soundBytes > 0);
        // Just behind the first seam, where its picture ends later than its sound, and around the second.
        for (const fromS of [9.01, 15.2, 15.5]) {
          const rest = await playHlsInChromium(browser, address, fromS);
          assert.ok(rest.pictures >= 25 * (played.durationS - fromS - 1), `${rest.pictures} from ${fromS} s`);
        }
      } finally {
        await browser.close();
      }
    });
  });

describe('who may watch a class in parts', () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig(undefined, 60_000, {}, new SegmentEncryption('a secret of the tests'));
    await teach(rig, FIRST, films.small);
    await teach(rig, SECOND, films.small, { fromUs: AFTER_A_BREAK_US });
    await teach(rig, FOREIGN, films.small);
  });
  after(() => rig.close());

  const FILES = ['index.m3u8', 'v0.m3u8', 'audio.m3u8', 'init-0.mp4', '1-audio.m4s', '5-camera0.m4s', 'key'];
  const query = (resource: string) => new URL(rig.signed(resource)).search;
  const each = (resource: string, signed = query(resource)) =>
    Promise.all(FILES.map((file) => said(`${rig.url}${resource}/${file}${signed}`)));
  const all = (answer: number | string) => FILES.map(() => answer);

  test('with its own signature everything of it', async () => {
    assert.deepEqual(await each(WHOLE), all(200));
  });

  test('with that of a part, of other parts or of another order nothing, and with its own no part alone', async () => {
    for (const parts of [[FIRST], [SECOND], [SECOND, FIRST], [FIRST, SECOND, FOREIGN]]) {
      const other = `/replay/${nameOf(...parts)}`;
      assert.deepEqual(await each(WHOLE, query(other)), all('signature-invalid'), other);
      assert.deepEqual(await each(other, query(WHOLE)), all('signature-invalid'), other);
    }
    assert.deepEqual(await each(WHOLE, ''), all('signature-missing'));
    assert.equal(await said(`${rig.url}${WHOLE}.mp4${query(WHOLE)}`), 'not-found');
  });

  test('with a part of another class nothing, whatever is signed', async () => {
    for (const parts of [
      [FIRST, FOREIGN],
      [FOREIGN, SECOND],
      [FIRST, SECOND, FOREIGN],
    ])
      assert.deepEqual(await each(`/replay/${nameOf(...parts)}`), all('not-found'), nameOf(...parts));
    assert.deepEqual(await each('/replay/parts-broadcast1-nothing12'), all('not-found'));
  });

  test('where nobody needs a signature, the same: a part of another class joins nothing', async () => {
    const open = { ...DEFAULT_ACCESS, tokens: { required: false } };
    await rig.access.settings.putDefaults({ version: 1, access: open });
    assert.deepEqual(await each(WHOLE, ''), all(200));
    assert.deepEqual(await each(`/replay/${nameOf(FIRST, FOREIGN)}`, ''), all('not-found'));
    await rig.access.settings.putDefaults({ version: 2, access: DEFAULT_ACCESS });
  });

  test('not any more once its addresses were revoked', async () => {
    const before = query(WHOLE);
    await rig.access.settings.put(info.channel, {
      ...{ version: 1, lesson: info.lesson, title: info.title, publishVersion: 0, epoch: 1 },
      access: AS_THE_SCHOOL,
    });
    assert.deepEqual(await each(WHOLE, before), all('signature-invalid'));
    await rig.access.settings.put(info.channel, {
      ...{ version: 2, lesson: info.lesson, title: info.title, publishVersion: 0, epoch: 0 },
      access: AS_THE_SCHOOL,
    });
    assert.deepEqual(await each(WHOLE, before), all(200));
  });

  test('not while one of its parts is on air, nor after one was deleted', async () => {
    const air = rig.goLive(THIRD);
    air.send(shots(films.small, 2 * AFTER_A_BREAK_US));
    const name = `/replay/${nameOf(FIRST, SECOND, THIRD)}`;
    assert.deepEqual(await each(name), all('not-found'));
    air.programme.end();
    await air.ladder.end();
    assert.deepEqual(await each(name), all(200));
    await rig.store.erase(SECOND.broadcast);
    assert.deepEqual(await each(name), all('not-found'));
    assert.deepEqual(await each(WHOLE), all('not-found'));
    assert.deepEqual(await each(`/replay/${nameOf(FIRST, THIRD)}`), all(200));
  });
});
