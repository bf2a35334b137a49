// A class on air as LL-HLS: by the rules of the playlists over real HTTP, and with players of others.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createDecipheriv } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { SegmentEncryption } from '../../../gateway/servers/hls/encryption.ts';
import { capture, median, probe } from '../../support/av.ts';
import { findChromium, launchChromium } from '../../support/chromium.ts';
import { openHlsPlayer } from '../../support/hls-player.ts';
import { blindStarts, disagreements, PlaylistHistory, readPlaylist } from '../../support/hls-rules.ts';
import { shoot, type Film } from './film.ts';
import { info, looped, startRig, type Rig } from './rig.ts';

const run = promisify(execFile);
const LIVE = `/live/${info.channel}`;
const RENDITIONS = ['v0', 'v1', 'v2', 'audio'];

const has = async (program: string) =>
  run('which', [program]).then(
    () => true,
    () => false,
  );

async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 250; tries += 1) {
    if (await isSo()) return;
    await sleep(100);
  }
  assert.fail(what);
}

let film: Film;
before(async () => (film = await shoot(8)));

/** Puts the film on air for `times` × 8 s; returns how to wait for its end. */
async function onAir(rig: Rig, times: number): Promise<{ running: Promise<void> }> {
  const air = rig.goLive();
  const running = air.play(looped(film, times)).then(async () => {
    air.programme.end();
    await air.ladder.end();
  });
  await eventually('it is on air', async () => (await fetch(rig.signed(`${LIVE}/index.m3u8`))).ok);
  return { running };
}

describe('the playlists of a class on air', () => {
  let rig: Rig;
  let running: Promise<void>;
  const playlist = (name: string, directives = '') =>
    `${rig.signed(`${LIVE}/${info.broadcast}/${name}.m3u8`)}${directives}`;
  const text = async (name: string, directives = '') => {
    const response = await fetch(playlist(name, directives));
    assert.equal(response.status, 200);
    return response.text();
  };

  before(async () => {
    rig = await startRig();
    ({ running } = await onAir(rig, 4));
  });

  after(async () => {
    await running;
    await rig.close();
  });

  test('keep every rule while they are followed a part at a time, in all renditions', async () => {
    const histories = await Promise.all(
      RENDITIONS.map(async (name) => {
        const history = new PlaylistHistory();
        assert.deepEqual(history.see(await text(name)), [], name);
        const untilMs = Date.now() + 8_000;
        let answers = 0;
        while (Date.now() < untilMs) {
          const last = history.last?.segments.at(-1);
          assert.ok(last !== undefined);
          const next = last.uri === undefined ? [last.n, last.parts.length] : [last.n + 1, 0];
          const [msn = 0, part = 0] = next;
          assert.deepEqual(history.see(await text(name, `&_HLS_msn=${msn}&_HLS_part=${part}`)), [], name);
          // What was waited for is in it, or its segment ended with fewer parts and the next has begun.
          const got = history.last?.segments.at(-1);
          assert.ok(
            got !== undefined && (got.n > msn || got.parts.length > part),
            `${msn}.${part} was early`,
          );
          answers += 1;
        }
        assert.ok(answers >= 16 && answers <= 40, `${name}: ${answers} answers in 8 s`);
        assert.deepEqual(history.last && blindStarts(history.last), []);
        return history;
      }),
    );
    assert.deepEqual(disagreements(histories), []);
  });

  test('hint at a part that is sent as soon as it is complete, and is what the segment then has', async () => {
    const { hint = '', segments } = readPlaylist(await text('v2'));
    const growing = segments.at(-1);
    const address = new URL(hint, playlist('v2')).href;
    const asked = performance.now();
    const response = await fetch(address);
    const waitedMs = performance.now() - asked;
    if (response.status === 404) return; // The row ended just there.
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    const part = Buffer.from(await response.arrayBuffer());
    assert.ok(waitedMs < 2_000);
    const n = Number(/^\d+/.exec(hint)?.[0]);
    await text('v2', `&_HLS_msn=${n}`);
    const whole = readPlaylist(await text('v2')).segments.find((segment) => segment.n === n);
    const bytes = await Promise.all(
      (whole?.parts ?? []).map(async ({ uri }) =>
        Buffer.from(await (await fetch(new URL(uri, playlist('v2')))).arrayBuffer()),
      ),
    );
    const index = growing?.n === n ? growing.parts.length : 0;
    assert.ok(bytes[index]?.equals(part));
    const segment = await fetch(new URL(whole?.uri ?? '', playlist('v2')));
    assert.ok(Buffer.concat(bytes).equals(Buffer.from(await segment.arrayBuffer())));
  });

  test('refuse nonsense at once', async () => {
    const { segments } = readPlaylist(await text('audio'));
    const last = segments.at(-1)?.n ?? 0;
    for (const directives of [
      '&_HLS_part=1',
      '&_HLS_msn=x',
      '&_HLS_msn=-1',
      '&_HLS_msn=1.5',
      `&_HLS_msn=${last + 4}`,
      `&_HLS_msn=${last + 1}&_HLS_part=40`,
      '&_HLS_msn=99999999999999',
      '&_HLS_msn=1&_HLS_msn=2',
      '&_HLS_skip=NO',
    ]) {
      const response = await fetch(playlist('audio', directives));
      assert.equal(response.status, 400, directives);
      assert.match(await response.text(), /"bad-request"/);
    }
    const far = segments.at(-1)?.parts.length ?? 0;
    const [run_ = ''] = /-\w+(?=\.m4s)/.exec(readPlaylist(await text('audio')).hint ?? '') ?? [];
    for (const name of [
      `${last}-audio-${far + 5}${run_}`,
      `${last + 3}-audio-0${run_}`,
      `${last}-audio-0-zzzzzz`,
    ]) {
      assert.equal((await fetch(rig.signed(`${LIVE}/${info.broadcast}/${name}.m4s`))).status, 404, name);
    }
  });

  test('answer with a delta update where the list is long enough', async () => {
    await eventually('fourteen seconds are there', async () => {
      const { segments } = readPlaylist(await text('v0-dvr'));
      return segments.reduce((sum, { durationS = 0 }) => sum + durationS, 0) > 15;
    });
    const delta = readPlaylist(await text('v0-dvr', '&_HLS_skip=YES'));
    assert.ok(delta.skipped >= 1);
    assert.equal(delta.version, 9);
    const whole = readPlaylist(await text('v0-dvr'));
    assert.ok(whole.segments.length > delta.segments.length);
  });

  test('who waits and leaves costs nothing afterwards', async () => {
    const { edge, timeline } = rig.store.recording(info.broadcast) ?? assert.fail();
    const leave = new AbortController();
    const waits = Array.from({ length: 50 }, () =>
      fetch(playlist('v1', `&_HLS_msn=${timeline.nextRow + 1}&_HLS_part=3`), { signal: leave.signal }).catch(
        () => 0,
      ),
    );
    await eventually('all wait', () => Promise.resolve(edge.waiting >= 50));
    leave.abort();
    await Promise.all(waits);
    await eventually('nobody waits', () => Promise.resolve(edge.waiting === 0));
  });
});

describe('players of others', () => {
  let rig: Rig;
  let dir: string;
  let running: Promise<void>;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-players-'));
    // VLC runs as somebody else where it would be root.
    chmodSync(dir, 0o777);
    rig = await startRig();
    ({ running } = await onAir(rig, 9));
  });

  after(async () => {
    await running;
    await rig.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Lets a program run for `seconds`, then ends it. */
  async function lend(program: string, args: string[], seconds: number, t: TestContext): Promise<string> {
    const isRoot = process.getuid?.() === 0;
    const nobody = isRoot && program === 'cvlc' ? { uid: 65_534, gid: 65_534 } : {};
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOME: dir },
      ...nobody,
    });
    let said = '';
    child.stderr.on('data', (data: Buffer) => (said += data.toString()));
    const gone = once(child, 'exit');
    t.after(() => child.kill('SIGKILL'));
    await Promise.race([sleep(seconds * 1_000), gone]);
    child.kill('SIGINT');
    const killer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(killer);
    return said;
  }

  test('ffmpeg plays it as plain HLS, the sound alone too', async () => {
    const file = join(dir, 'ffmpeg.mkv');
    await capture(rig.signed(`${LIVE}/index.m3u8`), file, 5);
    const { streams } = await probe(file);
    assert.equal(streams.find(({ type }) => type === 'video')?.width, 1280);
    const sound = await probe(rig.signed(`${LIVE}/audio.m3u8`));
    assert.deepEqual(
      sound.streams.map(({ codec }) => codec),
      ['aac'],
    );
  });

  test('VLC plays it', async (t) => {
    if (!(await has('cvlc'))) return t.skip('cvlc is not installed');
    const file = join(dir, 'vlc.ts');
    const said = await lend(
      'cvlc',
      ['-I', 'dummy', '--no-video-title-show', rig.signed(`${LIVE}/index.m3u8`)].concat(
        `--sout=#std{access=file,mux=ts,dst=${file}}`,
      ),
      12,
      t,
    );
    assert.ok(existsSync(file), said);
    const { streams, durationS } = await probe(file);
    assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['aac', 'h264'], said);
    assert.ok(durationS > 3, `${durationS} s: ${said}`);
  });

  // How close to the camera it is: tests/bench/low-latency.bench.ts.
  test('hls.js plays it by its parts', async (t) => {
    if (findChromium() === undefined) return t.skip('no Chromium is installed');
    const browser = await launchChromium();
    try {
      const player = await openHlsPlayer(browser, rig.signed(`${LIVE}/index.m3u8`));
      await eventually('it plays by parts', async () => {
        const { parts, position, latencies } = await player.report();
        return parts > 20 && position > 5 && latencies.length > 0;
      });
      const { latencies, stalls, targets, errors, firstPictureMs } = await player.report();
      t.diagnostic(
        `p50 ${median(latencies).toFixed(2)} s, first picture ${firstPictureMs.toFixed(0)} ms, ${stalls} stalls`,
      );
      assert.deepEqual([...targets].sort(), [0.334, 2]);
      assert.ok(!errors.some((error) => error.includes('fatal')), errors.join());
    } finally {
      await browser.close();
    }
  });
});

describe('a class whose segments are encrypted', () => {
  const encryption = new SegmentEncryption('a secret of the tests');
  let rig: Rig;
  let dir: string;
  let running: Promise<void>;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-encrypted-'));
    rig = await startRig(undefined, undefined, {}, encryption);
    ({ running } = await onAir(rig, 2));
  });

  after(async () => {
    await running;
    await rig.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test('names no parts, and a key that is given to those alone who may watch', async () => {
    const address = rig.signed(`${LIVE}/${info.broadcast}/v2.m3u8`);
    const history = new PlaylistHistory();
    assert.deepEqual(history.see(await (await fetch(address)).text()), []);
    const [segment] = history.last?.segments ?? [];
    assert.equal(history.last?.partTargetS, undefined);
    const keyUri = /^AES-128 (key\?.*)$/.exec(segment?.key ?? '')?.[1] ?? '';
    const key = await fetch(new URL(keyUri, address));
    assert.equal(key.headers.get('cache-control'), 'private, no-store');
    const keyBytes = Buffer.from(await key.arrayBuffer());
    assert.equal(keyBytes.length, 16);
    assert.equal((await fetch(new URL('key', address.split('?')[0]))).status, 403);
    // Another program's reading of the rule: AES-128-CBC, IV from the media sequence number.
    const response = await fetch(new URL(segment?.uri ?? '', address));
    const secret = Buffer.from(await response.arrayBuffer());
    assert.equal(Number(response.headers.get('content-length')), secret.length);
    const iv = Buffer.alloc(16);
    iv.writeUInt32BE(segment?.n ?? 0, 12);
    const decipher = createDecipheriv('aes-128-cbc', keyBytes, iv);
    const plain = Buffer.concat([decipher.update(secret), decipher.final()]);
    assert.equal(plain.toString('latin1', 4, 8), 'moof');
  });

  test('can be waited for a segment at a time', async () => {
    const address = rig.signed(`${LIVE}/${info.broadcast}/v2.m3u8`);
    const before_ = readPlaylist(await (await fetch(address)).text());
    const next = (before_.segments.at(-1)?.n ?? 0) + 1;
    const after_ = readPlaylist(await (await fetch(`${address}&_HLS_msn=${next}`)).text());
    assert.equal(after_.segments.at(-1)?.n, next);
  });

  test('plays in ffmpeg, live and afterwards', async () => {
    const file = join(dir, 'live.mkv');
    await capture(rig.signed(`${LIVE}/index.m3u8`), file, 4);
    assert.equal((await probe(file)).streams.find(({ type }) => type === 'video')?.width, 1280);
    await running;
    const replay = await probe(rig.signed(`/replay/${info.broadcast}/index.m3u8`));
    assert.ok(replay.durationS > 15);
    assert.equal(replay.streams.find(({ type }) => type === 'video')?.width, 1280);
  });
});
