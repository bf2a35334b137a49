// A class on air and afterwards, as ffprobe and ffmpeg see it over every protocol.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { readFile, writeFile } from 'node:fs/promises';
import { encodeAmf0 } from '#shared/media/amf0.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';
import { capture, decodeErrors, framesIn, probe, skewsMs } from '../../support/av.ts';
import { NO_SPLIT } from '#shared/contract/split.ts';
import { shoot, shots, type Film } from './film.ts';
import { info, looped, startRig, type Rig } from './rig.ts';

const LIVE = `/live/${info.channel}`;
const REPLAY = `/replay/${info.broadcast}`;

function assertTogether(skews: readonly number[], atLeast: number): void {
  assert.ok(skews.length >= atLeast, `${skews.length} flashes were seen with a beep`);
  for (const skew of skews) assert.ok(Math.abs(skew) <= 60, `sound and picture are ${skew} ms apart`);
}

/** What ffmpeg complained about, but for the rounding of Matroska's milliseconds to a constant frame rate. */
async function complaints(file: string): Promise<string> {
  const lines = (await decodeErrors(file)).split('\n');
  return lines.filter((line) => !line.includes('non monotonically increasing dts to muxer')).join('\n');
}

describe('while the class is on air', () => {
  let rig: Rig;
  let film: Film;
  let dir: string;
  let running: Promise<void>;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-playback-'));
    film = await shoot(8);
    rig = await startRig();
    const air = rig.goLive();
    running = air.play(looped(film, 3)).then(async () => {
      air.programme.end();
      await air.ladder.end();
    });
  });

  after(async () => {
    await running;
    await rig.close();
    rmSync(dir, { recursive: true });
  });

  test('the first HLS playlist is there within three seconds', async () => {
    const startMs = performance.now();
    let status = 0;
    while (status !== 200 && performance.now() - startMs < 5_000) {
      status = (await fetch(rig.signed(`${LIVE}/index.m3u8`))).status;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(status, 200);
    assert.ok(performance.now() - startMs < 3_000);
  });

  test('FLV, RTMP and HLS all play, with sound and picture together', async () => {
    const inputs = {
      flv: rig.signed(`${LIVE}.flv`),
      rtmp: rig.signed(LIVE).replace(rig.url, rig.rtmpUrl),
      hls: rig.signed(`${LIVE}/index.m3u8`),
      dvr: rig.signed(`${LIVE}/dvr.m3u8`),
    };
    await Promise.all(
      Object.entries(inputs).map(async ([name, input]) => {
        const file = join(dir, `${name}.mkv`);
        await capture(input, file, 6);
        const { streams } = await probe(file);
        assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['aac', 'h264'], name);
        assert.equal(streams.find(({ type }) => type === 'video')?.width, 1280, name);
        assertTogether(await skewsMs(file), 1);
        assert.equal(await complaints(file), '', name);
      }),
    );
  });

  test('a WebSocket carries the same FLV', async () => {
    const socket = new WebSocket(rig.signed(`${LIVE}.flv`).replace('http', 'ws'));
    const chunks: Buffer[] = [];
    socket.on('message', (data: Buffer) => chunks.push(data));
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    socket.terminate();
    const file = join(dir, 'socket.flv');
    await writeFile(file, Buffer.concat(chunks));
    const { streams } = await probe(file);
    assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['aac', 'h264']);
  });

  test('viewers are counted by protocol', async () => {
    const aborter = new AbortController();
    const response = await fetch(rig.signed(`${LIVE}.flv`), { signal: aborter.signal });
    assert.equal(response.status, 200);
    assert.equal(rig.egress.viewers(info.channel).flv, 1);
    await fetch(rig.signed(`${LIVE}/${info.broadcast}/v2.m3u8`));
    assert.ok(rig.egress.viewers(info.channel).hls >= 1);
    const metrics = await (await fetch(`${rig.url}/metrics`)).text();
    const gauge = metrics.split('\n').find((line) => line.startsWith('lectern_viewers{protocol="flv"'));
    assert.match(gauge ?? '', / 1$/);
    aborter.abort();
  });

  test('figures are for this machine alone, and not for whom a proxy on it cannot name', async () => {
    for (const client of ['203.0.113.9', '203.0.113.9:4711', '127.0.0.1, unknown']) {
      const headers = { 'x-forwarded-for': client };
      assert.equal((await fetch(`${rig.url}/metrics`, { headers })).status, 404, client);
    }
  });

  test('the replay of a class that is still on plays what there is', async () => {
    const { streams } = await probe(rig.signed(`${REPLAY}/index.m3u8`));
    assert.ok(streams.some(({ codec, width }) => codec === 'h264' && width === 1280));
    assert.match(await (await fetch(rig.signed(`${REPLAY}/v0.m3u8`))).text(), /EXT-X-PLAYLIST-TYPE:EVENT/);
  });

  test('FLV viewers are let go when the broadcast ends, and playlists say that it is over', async () => {
    const response = await fetch(rig.signed(`${LIVE}.flv`));
    let bytes = 0;
    for await (const chunk of response.body ?? []) bytes += (chunk as Uint8Array).length;
    assert.ok(bytes > 100_000);
    await running;
    const playlist = await fetch(rig.signed(`${LIVE}/${info.broadcast}/v2.m3u8`));
    assert.match(await playlist.text(), /#EXT-X-ENDLIST/);
    const late = await fetch(rig.signed(`${LIVE}.flv`));
    assert.equal(late.status, 404);
    assert.equal(((await late.json()) as { error: { code: string } }).error.code, 'not-live');
  });
});

describe('when the class is over', () => {
  const SECONDS = 13;
  let rig: Rig;
  let dir: string;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-replay-'));
    rig = await startRig();
    const air = rig.goLive();
    air.send(shots(await shoot(SECONDS)));
    air.programme.end();
    await air.ladder.end();
  });

  after(async () => {
    await rig.close();
    rmSync(dir, { recursive: true });
  });

  test('the recording is ready and as long as the class', () => {
    const [recording] = rig.store.list();
    assert.equal(recording?.state, 'ready');
    assert.ok(Math.abs((recording?.durationMs ?? 0) - SECONDS * 1_000) < 150);
    assert.deepEqual(
      rig.recordings.map(({ state }) => state),
      ['writing', 'finalizing', 'ready'],
    );
  });

  for (const [name, path] of [
    ['HLS', `${REPLAY}/index.m3u8`],
    ['MP4', `${REPLAY}.mp4`],
    ['FLV', `${REPLAY}.flv`],
  ] as const) {
    test(`its ${name} is whole, with sound and picture together`, async () => {
      const input = rig.signed(path);
      const { durationS } = await probe(input);
      assert.ok(Math.abs(durationS - SECONDS) < 0.3, `${durationS} s`);
      const file = join(dir, `${name}.mkv`);
      await capture(input, file, SECONDS + 5);
      assertTogether(await skewsMs(file), 5);
      assert.equal(await complaints(file), '');
    });
  }

  for (const format of ['mp4', 'flv'])
    test(`the ${format} comes in ranges, with a name that says what it is`, async () => {
      const url = rig.signed(`${REPLAY}.${format}`);
      const head = await fetch(url, { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.match(
        head.headers.get('content-disposition') ?? '',
        new RegExp(`attachment; filename="Photosynthesis .*\\.${format}"`),
      );
      const size = Number(head.headers.get('content-length'));
      const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
      assert.equal(whole.length, size);
      const part = await fetch(url, { headers: { range: 'bytes=1000-1999' } });
      assert.equal(part.status, 206);
      assert.equal(part.headers.get('content-range'), `bytes 1000-1999/${size}`);
      assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(1000, 2000));
      const tail = await fetch(url, { headers: { range: 'bytes=-500' } });
      assert.deepEqual(Buffer.from(await tail.arrayBuffer()), whole.subarray(-500));
      const beyond = await fetch(url, { headers: { range: `bytes=${size}-` } });
      assert.equal(beyond.status, 416);
      assert.equal(beyond.headers.get('content-range'), `bytes */${size}`);
    });

  test('has a still, which is made once and is for who may watch', async () => {
    const url = rig.signed(`${REPLAY}/still.jpg`);
    const answer = await fetch(url);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'image/jpeg');
    const jpeg = Buffer.from(await answer.arrayBuffer());
    const file = join(dir, 'still.jpg');
    await writeFile(file, jpeg);
    const [picture] = (await probe(file)).streams;
    assert.deepEqual([picture?.codec, picture?.width, picture?.height], ['mjpeg', 640, 360]);
    const kept = await readFile(join(rig.dataDir, info.broadcast, 'still.jpg'));
    assert.ok(kept.equals(jpeg), 'next to the media');
    assert.ok(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(jpeg));
    assert.equal((await fetch(`${rig.url}${REPLAY}/still.jpg`)).status, 403);
    assert.equal((await fetch(rig.signed(`/replay/nothing12345/still.jpg`))).status, 404);
  });

  test('segments may be cached forever and read by pages of any origin', async () => {
    const playlist = await (await fetch(rig.signed(`${REPLAY}/v1.m3u8`))).text();
    const uri = playlist.split('\n').find((line) => /^\d+-camera1\.m4s\?/.test(line));
    const segment = await fetch(`${rig.url}${REPLAY}/${uri}`);
    assert.equal(segment.status, 200);
    assert.equal(segment.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(segment.headers.get('access-control-allow-origin'), '*');
    assert.equal(segment.headers.get('content-type'), 'video/mp4');
  });

  test('shows the part that its owner leaves, in every form, until all of it is shown again', async () => {
    const names = async (playlist: string): Promise<string[]> => [
      ...((await (await fetch(rig.signed(`${REPLAY}/${playlist}`))).text()).match(/^\d+-\w+\.m4s/gm) ?? []),
    ];
    const whole = await names('v2.m3u8');
    const still = await (await fetch(rig.signed(`${REPLAY}/still.jpg`))).bytes();
    const { startedAtMs, durationMs } = rig.store.list()[0]!;
    // Behind the beginning of the second row, and before the end of the last but one.
    const trim = { fromMs: startedAtMs + 2_500, toMs: startedAtMs + durationMs - 2_500 };
    const trimmed = await rig.store.trim(info.broadcast, trim);
    assert.equal(trimmed.durationMs, durationMs, 'what there is of it');
    const shownS = (trimmed.trim?.durationMs ?? 0) / 1_000;
    assert.ok(shownS > 3 && shownS < SECONDS - 5 + 0.1, `${shownS} s are shown`);
    assert.ok(trimmed.trim!.fromMs >= trim.fromMs - 60 && trimmed.trim!.toMs <= trim.toMs + 60);
    const shown = await names('v2.m3u8');
    assert.deepEqual(shown, whole.slice(whole.indexOf(shown[0]!), whole.indexOf(shown.at(-1)!) + 1));
    for (const [form, path] of [
      ['trimmed-hls', `${REPLAY}/index.m3u8`],
      ['trimmed-mp4', `${REPLAY}.mp4`],
      ['trimmed-flv', `${REPLAY}.flv`],
    ] as const) {
      const file = join(dir, `${form}.mkv`);
      await capture(rig.signed(path), file, SECONDS + 5);
      const { durationS } = await probe(file);
      assert.ok(Math.abs(durationS - shownS) < 0.15, `${form}: ${durationS} s`);
      assertTogether(await skewsMs(file), 2);
      assert.equal(await complaints(file), '', form);
    }
    for (const name of whole)
      assert.equal(
        (await fetch(rig.signed(`${REPLAY}/${name}`))).status,
        shown.includes(name) ? 200 : 404,
        name,
      );
    assert.notDeepEqual(await (await fetch(rig.signed(`${REPLAY}/still.jpg`))).bytes(), still);

    const again = await startRig(rig.dataDir);
    assert.deepEqual(again.store.list()[0], trimmed, 'after a restart too');
    await again.close();
    await assert.rejects(rig.store.trim(info.broadcast, { fromMs: 1, toMs: 2 }), { code: 'conflict' });
    await assert.rejects(rig.store.trim('nothing12345', trim), { code: 'not-found' });
    assert.deepEqual(await names('v2.m3u8'), shown, 'a refused one changes nothing');
    assert.equal((await rig.store.trim(info.broadcast, null)).trim, undefined);
    assert.deepEqual(await names('v2.m3u8'), whole);
    const { durationS } = await probe(rig.signed(`${REPLAY}.mp4`));
    assert.ok(Math.abs(durationS - SECONDS) < 0.3, `${durationS} s`);
  });

  test('comes in pieces that make up the whole, frame by frame', async () => {
    const framesOf = async (name: string, url: string) => {
      const file = join(dir, name);
      await writeFile(file, await (await fetch(url)).bytes());
      assert.equal(await complaints(file), '', name);
      return framesIn(file);
    };
    rig.splitBy({ splitMs: 5_000, splitBytes: null });
    const byTime = (await rig.store.trim(info.broadcast, null)).pieces ?? [];
    const splitBytes = Math.max(...byTime.map(({ bytes }) => bytes));
    for (const [split, most] of [
      [
        { splitMs: 5_000, splitBytes: null },
        { durationMs: 5_000, bytes: Infinity },
      ],
      [
        { splitMs: null, splitBytes },
        { durationMs: Infinity, bytes: splitBytes },
      ],
    ] as const) {
      rig.splitBy(split);
      const { pieces = [] } = await rig.store.trim(info.broadcast, null);
      assert.ok(pieces.length >= 3, `${pieces.length} pieces`);
      for (const { durationMs, bytes } of pieces) {
        assert.ok(durationMs <= most.durationMs && bytes <= most.bytes, `${durationMs} ms, ${bytes} bytes`);
      }
      for (const format of ['mp4', 'flv'] as const) {
        const whole = await framesOf(`whole.${format}`, rig.signed(`${REPLAY}.${format}`));
        const cut = { video: 0, audio: 0 };
        for (const [index, { durationMs }] of pieces.entries()) {
          const name = `piece-${index + 1}.${format}`;
          const response = await fetch(rig.signed(`${REPLAY}/${name}`), { method: 'HEAD' });
          const said = response.headers.get('content-disposition') ?? '';
          assert.match(said, new RegExp(`${index + 1}-${pieces.length}\\.${format}`));
          const { video, audio, keyFirst } = await framesOf(name, rig.signed(`${REPLAY}/${name}`));
          assert.ok(keyFirst, `${name} begins with a key frame`);
          const { durationS } = await probe(join(dir, name));
          assert.ok(Math.abs(durationS * 1_000 - durationMs) < 120, `${name}: ${durationS} s`);
          cut.video += video;
          cut.audio += audio;
        }
        assert.deepEqual(cut, { video: whole.video, audio: whole.audio }, format);
      }
      const beyond = `${REPLAY}/piece-${pieces.length + 1}.mp4`;
      for (const path of [beyond, `${REPLAY}/piece-0.mp4`])
        assert.equal((await fetch(rig.signed(path))).status, 404, path);
    }
    rig.splitBy(NO_SPLIT);
    assert.equal((await rig.store.trim(info.broadcast, null)).pieces, undefined);
    assert.equal((await fetch(rig.signed(`${REPLAY}/piece-1.mp4`))).status, 404);
  });

  test('erasing it leaves nothing to play', async () => {
    await rig.store.eraseChannel(info.channel);
    assert.deepEqual(rig.store.list(), []);
    for (const path of [`${REPLAY}.mp4`, `${REPLAY}/still.jpg`])
      assert.equal((await fetch(rig.signed(path))).status, 404);
    assert.equal((await fetch(rig.signed(`${LIVE}/index.m3u8`))).status, 404);
  });
});

test('an RTMP player may wait, have one kind of media alone, stop and play again', async () => {
  const rig = await startRig();
  const air = rig.goLive();
  const running = air.play(looped(await shoot(8), 1));
  const port = Number(new URL(rig.rtmpUrl.replace('rtmp', 'http')).port);
  const player = await RtmpPublisherClient.open(port);
  const { media } = player;
  const name = `${info.channel}${new URL(rig.signed(LIVE)).search}`;
  const has = (code: string) => player.statuses.some((status) => status.code === code);
  const gets = async (audio: boolean, video: boolean) => {
    // What was on its way when it was asked for comes first.
    await new Promise((resolve) => setTimeout(resolve, 200));
    media.audio = 0;
    media.video = 0;
    const isDue = () => (!audio || media.audio > 20) && (!video || media.video > 10);
    if (audio || video) await player.until('media', isDue);
    else await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual([media.audio > 0, media.video > 0], [audio, video]);
  };
  const ask = (command: string, ...values: (boolean | number | string)[]) =>
    player.raw(20, 0, encodeAmf0(command, 0, null, ...values), 3, 1);
  ask('play', name);
  await gets(true, true);
  ask('receiveVideo', false);
  await gets(true, false);
  ask('receiveVideo', true);
  await gets(true, true);
  ask('receiveAudio', false);
  await gets(false, true);
  ask('pause', true, 1_000);
  await player.until('the answer', () => has('NetStream.Pause.Notify'));
  await gets(false, false);
  ask('pause', false, 1_000);
  await player.until('the answer', () => has('NetStream.Unpause.Notify'));
  await gets(false, true);
  ask('closeStream');
  await gets(false, false);
  ask('play', name);
  await gets(true, true);
  assert.equal(rig.egress.viewers(info.channel).rtmp, 1);
  player.socket.destroy();
  await running;
  air.programme.end();
  await air.ladder.end();
  await rig.close();
});
