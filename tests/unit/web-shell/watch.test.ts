import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import './svelte-modules.ts';
import { ERRORS, type ErrorCode } from '#shared/contract/errors.ts';
import type { Lesson } from '#shared/contract/rest.ts';
import { Api } from '../../../web/engine/api.ts';
import type { LivePlayer, LivePlayerEvents, PlayerState } from '../../../web/engine/player/live-player.ts';
import { HandClock } from './hand-player.ts';

const { WatchStore } = await import('../../../web/state/watch.svelte.ts');

/** When the first addresses expire, in ms of the hand clock. */
const TTL_MS = 3_600_000;
type Said =
  | {
      state: Lesson['state'];
      recordings?: number;
      replay?: Lesson['replay'];
      interrupted?: true;
      watermark?: string;
      /** null: the gateway does not answer. */
      seekableMs?: number | null;
      chapters?: readonly { id: string; title: string | null; markedAtMs: number }[];
    }
  | ErrorCode
  | 'no answer';

function audience(first: Said) {
  const clock = new HandClock();
  let said = first;
  let asked = 0;
  const answer = (): Promise<Response> => {
    asked += 1;
    if (said === 'no answer') return Promise.reject(new TypeError('network'));
    if (typeof said === 'string') {
      const body = { error: { code: said, message: 'no' } };
      return Promise.resolve(Response.json(body, { status: ERRORS[said].status }));
    }
    const query = `?expires=${(clock.nowMs() + TTL_MS) / 1_000}&sign=${asked}`;
    const play = Object.fromEntries(
      ['hls', 'dvr', 'flv', 'wsFlv', 'rtmp', 'whep'].map((name) => [
        name,
        `http://lectern/live/c/${name}${query}`,
      ]),
    );
    const flvs = [play['flv']];
    const onAir = said.state !== 'live' ? null : said.interrupted ? 'interrupted' : 'live';
    const watermark = said.watermark ?? null;
    const seekableMs = said.seekableMs ?? null;
    const [startedAtMs, chapters] = [onAir === null ? null : 0, said.chapters ?? []];
    const recording = {
      id: 'abcdefgh',
      lesson: 'ijklmnop',
      firstPart: 'abcdefgh',
      state: 'ready',
      startedAtMs: 0,
      durationMs: 60_000,
      bytes: 1,
      title: null,
      kept: false,
      mayGo: false,
      goesAtMs: null,
      trim: null,
      files: [],
      replay: 'http://lectern/replay/abcdefgh',
      hls: 'http://lectern/replay/abcdefgh/index.m3u8',
      still: null,
    };
    const lesson = { id: 'ijklmnop', title: 'Algebra', state: said.state };
    const recordings = Array.from({ length: said.recordings ?? 0 }, () => recording);
    const replay = said.replay ?? (recordings.length > 0 ? 'ready' : 'none');
    return Promise.resolve(
      Response.json({
        lesson,
        onAir,
        seekableMs,
        teachers: ['Anna'],
        watching: null,
        startedAtMs,
        chapters,
        watermark,
        play: { ...play, flvs },
        replay,
        recordings,
      }),
    );
  };
  const given: string[] = [];
  let stops = 0;
  let events: LivePlayerEvents | undefined;
  const rewinds: number[] = [];
  let visible = true;
  let onSeen: (() => void) | undefined;
  const player = {
    start: (addresses: { flv: string }) => given.push(addresses.flv),
    stop: () => (stops += 1),
    deliver: () => undefined,
    rewind: (toS: number) => rewinds.push(toS),
    close: () => undefined,
  } as unknown as LivePlayer;
  const watch = new WatchStore({
    lesson: 'ijklmnop',
    invite: 'invitation',
    api: new Api(answer),
    clock,
    pictures: { load: () => Promise.resolve(null), release: () => undefined },
    attention: {
      get visible() {
        return visible;
      },
      onVisible(listener) {
        onSeen = listener;
        return () => (onSeen = undefined);
      },
    },
    // The longest of all pauses.
    random: () => 1,
    wallMs: () => clock.nowMs(),
    delivery: 'auto',
    createPlayer: (_video, listener) => {
      events = listener;
      return player;
    },
  });
  watch.attach({} as HTMLVideoElement);
  return {
    watch,
    given,
    asked: () => asked,
    stops: () => stops,
    hide: () => void (visible = false),
    look: () => {
      visible = true;
      onSeen?.();
    },
    say: (next: Said) => void (said = next),
    rewinds,
    tell: () => events ?? assert.fail(),
    shows: (state: PlayerState) => events!.state(state),
    /** Lets time pass in steps, with the answers that come in it. */
    async pass(ms: number) {
      for (let passed = 0; passed <= ms; passed += 100) {
        for (let turns = 0; turns < 4; turns += 1) await turn();
        if (passed < ms) clock.pass(100);
      }
    },
  };
}

const playing: PlayerState = { name: 'playing', protocol: 'flv' };
const stalled: PlayerState = { name: 'stalled', protocol: 'flv', sinceMs: 0 };

test('who comes early waits, and class begins by itself', async () => {
  const { watch, say, pass, given } = audience({ state: 'scheduled' });
  await pass(0);
  assert.equal(watch.phase.name, 'waiting');
  assert.equal(watch.title, 'Algebra');
  assert.equal(given.length, 0);
  say({ state: 'live' });
  await pass(2_000);
  assert.equal(watch.phase.name, 'on-air');
  assert.ok(given.length > 0);
  watch.close();
});

test('however long the wait was, class begins within two seconds before who looks', async () => {
  const { pass, say, watch } = audience({ state: 'open' });
  await pass(600_000);
  say({ state: 'live' });
  await pass(2_000);
  assert.equal(watch.phase.name, 'on-air');
  watch.close();
});

test('a page in the background asks gently, and at once when it is looked at again', async () => {
  const { pass, asked, hide, look, say, watch } = audience({ state: 'open' });
  hide();
  await pass(120_000);
  assert.ok(asked() >= 5 && asked() <= 15, `${asked()} questions in two minutes`);
  say({ state: 'live' });
  look();
  await pass(0);
  assert.equal(watch.phase.name, 'on-air');
  watch.close();
});

test('a server in trouble is asked ever more gently', async () => {
  const { pass, asked, say, watch } = audience({ state: 'open' });
  await pass(0);
  say('no answer');
  await pass(120_000);
  assert.ok(asked() >= 12 && asked() <= 25, `${asked()} questions in two minutes`);
  watch.close();
});

test('while all is well hardly anything is asked', async () => {
  const { pass, asked, shows, watch } = audience({ state: 'live' });
  await pass(0);
  shows(playing);
  await pass(300_000);
  assert.ok(asked() <= 8, `${asked()} questions in five minutes`);
  watch.close();
});

test('the end of class leads to the replay', async () => {
  const { watch, say, shows, pass, stops } = audience({ state: 'live' });
  await pass(0);
  shows(playing);
  await pass(5_000);
  say({ state: 'ended', recordings: 1 });
  shows({ name: 'retrying', failure: { kind: 'ended' } });
  await pass(2_000);
  assert.equal(watch.phase.name, 'ended');
  assert.equal(watch.phase.name === 'ended' && watch.phase.recordings.length, 1);
  assert.ok(stops() > 0);
  watch.close();
});

test('a replay that is not there yet appears', async () => {
  const { watch, say, pass } = audience({ state: 'ended', replay: 'preparing' });
  await pass(0);
  assert.equal(watch.phase.name === 'ended' && watch.phase.replay, 'preparing');
  say({ state: 'ended', recordings: 1 });
  await pass(9_000);
  assert.equal(watch.phase.name === 'ended' && watch.phase.recordings.length, 1);
  watch.close();
});

test('so does the one of the last part of a class, next to earlier ones', async () => {
  const { watch, say, pass, asked } = audience({ state: 'ended', replay: 'preparing', recordings: 1 });
  await pass(0);
  say({ state: 'ended', recordings: 2 });
  await pass(9_000);
  assert.equal(watch.phase.name === 'ended' && watch.phase.recordings.length, 2);
  const settled = asked();
  await pass(300_000);
  assert.equal(asked(), settled, 'nothing more is asked');
  watch.close();
});

test('a class that was never live promises no replay', async () => {
  const { watch, pass } = audience({ state: 'ended' });
  await pass(0);
  assert.deepEqual(watch.phase, { name: 'ended', replay: 'none', recordings: [] });
  watch.close();
});

test('a short hiccup is not spoken of; a gap of the teacher’s is, as the server says it', async () => {
  const { watch, say, shows, pass } = audience({ state: 'live' });
  await pass(0);
  shows(playing);
  await pass(3_000);
  shows(stalled);
  await pass(1_000);
  assert.equal(watch.picture, 'buffering');
  // While the server has the picture it is on its way to us.
  await pass(3_000);
  assert.equal(watch.picture, 'buffering');
  assert.equal(watch.interrupted, false);
  say({ state: 'live', interrupted: true });
  await pass(4_000);
  assert.equal(watch.picture, 'interrupted');
  assert.equal(watch.interrupted, true);
  shows(playing);
  assert.equal(watch.picture, 'playing');
  assert.equal(watch.interrupted, false);
  watch.close();
});

test('a gap without any answer is the own network, and it comes back by itself', async () => {
  const { watch, say, shows, pass } = audience({ state: 'live' });
  await pass(0);
  shows(playing);
  await pass(3_000);
  say('no answer');
  shows(stalled);
  await pass(6_000);
  assert.equal(watch.picture, 'offline');
  assert.equal(watch.phase.name, 'on-air');
  say({ state: 'live', interrupted: true });
  await pass(4_000);
  assert.equal(watch.picture, 'interrupted');
  watch.close();
});

test('HLS plays its last seconds although class is over, but not forever', async () => {
  const { watch, say, shows, pass } = audience({ state: 'live' });
  await pass(0);
  shows({ name: 'playing', protocol: 'hls' });
  say({ state: 'ended', recordings: 1 });
  await pass(15_000);
  assert.equal(watch.phase.name, 'on-air');
  await pass(15_000);
  assert.equal(watch.phase.name, 'ended');
  watch.close();
});

test('addresses are renewed before they expire', async () => {
  const { pass, given, shows, watch } = audience({ state: 'live' });
  await pass(0);
  shows(playing);
  await pass(120_000);
  assert.ok(new Set(given).size > 1);
  watch.close();
});

test('a wrong invitation is refused in words and not asked about again', async () => {
  const { watch, pass, asked } = audience('ticket-invalid');
  await pass(60_000);
  assert.deepEqual(watch.phase, { name: 'refused', code: 'ticket-invalid' });
  assert.equal(asked(), 1);
  watch.close();
});

test('access that is taken away ends the picture', async () => {
  const { watch, say, shows, pass, stops } = audience({ state: 'live' });
  await pass(0);
  shows(playing);
  await pass(1_000);
  say('forbidden');
  shows({ name: 'retrying', failure: { kind: 'refused', status: 403 } });
  await pass(3_000);
  assert.equal(watch.phase.name, 'refused');
  assert.ok(stops() > 0);
  watch.close();
});

test('a server that restarts is asked until it is back', async () => {
  const { watch, say, pass } = audience('no answer');
  await pass(3_000);
  assert.deepEqual(watch.phase, { name: 'refused', code: 'service-unavailable' });
  say({ state: 'open' });
  await pass(9_000);
  assert.equal(watch.phase.name, 'waiting');
  watch.close();
});

test('a chapter is led to at once, and put right when the player knows of gaps', async () => {
  const chapters = [{ id: 'roots', title: 'Roots', markedAtMs: 75_000 }];
  const { watch, pass, asked, tell, rewinds } = audience({ state: 'live', seekableMs: 40_000, chapters });
  await pass(0);
  assert.equal(watch.goToChapter('unknown'), undefined);
  assert.equal(watch.goToChapter('roots'), 36, 'as far as it goes');
  const before = asked();
  tell().mode('rewound');
  await pass(0);
  assert.equal(asked(), before + 1, 'there may be more of them by now');
  tell().marks([
    { startS: 0, endS: 10, wallMs: 0 },
    { startS: 10, endS: 20, wallMs: 70_000 },
  ]);
  assert.deepEqual(rewinds, [36]);
  tell().state({ name: 'playing', protocol: 'hls' });
  assert.deepEqual(rewinds, [36, 15]);
  watch.rewind(5);
  tell().state({ name: 'playing', protocol: 'hls' });
  assert.deepEqual(rewinds, [36, 15, 5]);
  watch.close();
});

test('a page that is left asks no more', async () => {
  const { watch, pass, asked } = audience({ state: 'open' });
  await pass(0);
  watch.close();
  const before = asked();
  await pass(60_000);
  assert.equal(asked(), before);
});

test('how far one can go back is what the server says, and grows from there', async () => {
  const { watch, say, pass } = audience({ state: 'live', seekableMs: 300_000 });
  assert.equal(watch.lengthS(), undefined);
  await pass(0);
  assert.equal(watch.lengthS(), 300);
  await pass(1_000);
  assert.equal(watch.lengthS(), 301);
  say({ state: 'live', seekableMs: null });
  await pass(70_000);
  assert.equal(watch.lengthS(), 371, 'also while the gateway does not answer');
  say({ state: 'live', seekableMs: 360_000 });
  await pass(10_000);
  assert.ok((watch.lengthS() ?? 0) <= 370, 'what was a gap is not in it');
  watch.close();
});

test('the mark over the picture is what the school says, and may change in the course of class', async () => {
  const { watch, say, pass } = audience({ state: 'live', watermark: 'Springfield 1A2B' });
  await pass(0);
  assert.equal(watch.watermark, 'Springfield 1A2B');
  say({ state: 'live' });
  await pass(80_000);
  assert.equal(watch.watermark, null);
  watch.close();
});
