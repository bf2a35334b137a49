// Publishers that no encoder should be: each alongside a class as it should be, which must not notice.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FeedTrack } from '#shared/contract/internal.ts';
import { decodeErrors } from '../../support/av.ts';
import { mediaFile } from '../../support/media-file.ts';
import {
  audioOf,
  audioTrack,
  CHANNEL,
  feedOf,
  keepFeeding,
  movingClass,
  startGateway,
  startSender,
  until,
  videoOf,
  videoTrack,
  writeFlv,
  type Gateway,
  type Unkindness,
} from './harness.ts';

const files: string[] = [];
after(() => files.forEach((file) => rmSync(file, { force: true })));

const H264 = '-c:v libx264 -profile:v baseline -preset ultrafast -tune zerolatency -pix_fmt yuv420p';
const SOUND = '-f lavfi -i sine=frequency=440:sample_rate=48000';
const OPUS = '-c:a libopus -b:a 64k -ac 2';

/** Tiny pictures, a thousand of them in a second. */
const thousandPerSecond = () =>
  mediaFile(
    'thousand-fps',
    `-f lavfi -i testsrc=size=64x64:rate=1000 ${SOUND} -t 8 ${H264} -g 500 -b:v 500k ${OPUS}`,
  );
/** 7680×4320, two pictures in a second. */
const eightK = () =>
  mediaFile('eight-k', `-f lavfi -i color=gray:size=7680x4320:rate=2 ${SOUND} -t 6 ${H264} -g 2 ${OPUS}`);

interface Show {
  readonly gateway: Gateway;
  /** RTCP that the publisher got. */
  readonly received: readonly Buffer[];
}

interface Publisher {
  readonly file?: () => string;
  readonly unkind?: Unkindness;
  readonly tracks?: readonly FeedTrack[];
}

/** Puts the publisher on air alongside a healthy class for `forMs`, and fails if that one suffers. */
async function alongside(
  { file = movingClass, unkind = {}, tracks }: Publisher,
  forMs: number,
): Promise<Show> {
  const gateway = await startGateway();
  const healthy = await startSender({
    file: movingClass(),
    port: gateway.port,
    video: { ssrc: 0x5005, payloadType: 101 },
    audio: { ssrc: 0x6006, payloadType: 100 },
  });
  const sender = await startSender({ file: file(), port: gateway.port, unkind });
  const feed = feedOf(
    healthy.from,
    [videoTrack({ ssrc: 0x5005 }), audioTrack({ ssrc: 0x6006 })],
    'healthy01',
  );
  const healthyFeeding = setInterval(() => gateway.channels.feed('healthyclass', feed), 1_000);
  gateway.channels.feed('healthyclass', feed);
  const feeding = keepFeeding(
    gateway,
    feedOf(sender.from, [...(tracks ?? [videoTrack(), audioTrack()])], 'hostile01'),
  );
  const flowOf = () =>
    gateway.channels.figures().find(({ info }) => info.channel === 'healthyclass')?.flow ?? {
      videoFrames: 0,
    };
  try {
    await until('the healthy class flows', () => flowOf().videoFrames > 10, 15_000);
    const before = flowOf().videoFrames;
    const memoryBefore = process.memoryUsage.rss();
    await sleep(forMs);
    const pictures = flowOf().videoFrames - before;
    const expected = (forMs / 1_000) * 30;
    assert.ok(pictures > expected * 0.7, `${pictures} of ${expected} pictures of the class alongside it`);
    assert.equal(gateway.channels.status('healthyclass')?.state, 'live');
    const grownBytes = process.memoryUsage.rss() - memoryBefore;
    assert.ok(grownBytes < 150e6, `${Math.round(grownBytes / 1e6)} MB more memory`);
    return { gateway, received: sender.received };
  } finally {
    clearInterval(healthyFeeding);
    feeding.stop();
    await sender.close();
    await healthy.close();
    await gateway.close();
  }
}

/** Fails unless what viewers got can be decoded without a word and goes forward only. */
async function assertWhole(name: string, { gateway }: Show): Promise<void> {
  const frames = gateway.kept.programme;
  for (const kind of [videoOf(frames), audioOf(frames)]) {
    kind.slice(1).forEach((frame, index) => {
      const before = kind[index]?.ptsUs ?? Infinity;
      assert.ok(frame.ptsUs > before, `${frame.kind} goes from ${before} to ${frame.ptsUs} µs`);
    });
  }
  const file = writeFlv(name, frames);
  files.push(file);
  assert.equal(await decodeErrors(file), '');
}

const NAL_TYPE = 0x1f;
/** True for a packet of a key frame: a slice of one, whole, in an aggregate or in fragments. */
function isOfKeyframe(packet: Buffer): boolean {
  const type = (packet[12] ?? 0) & NAL_TYPE;
  if (type === 28) return ((packet[13] ?? 0) & NAL_TYPE) === 5;
  return type === 5 || type === 24;
}

test('a publisher that never sends a key frame: not one picture goes out, it is asked, and its sound goes on', async () => {
  const show = await alongside({ unkind: { spoil: (packet) => !isOfKeyframe(packet) } }, 6_000);
  const { programme } = show.gateway.kept;
  assert.equal(videoOf(programme).length, 0);
  assert.ok(audioOf(programme).length > 100, `${audioOf(programme).length} frames of sound`);
  const asked = show.received.filter((packet) => packet[1] === 206 || packet[9] === 206).length;
  assert.ok(asked >= 4 && asked < 40, `asked ${asked} times`);
});

test('a clock that runs backwards: viewers’ time goes forward, and everything can be decoded', async () => {
  let first: number | undefined;
  const backwards = (packet: Buffer) => {
    const ticks = packet.readUInt32BE(4);
    first ??= ticks;
    packet.writeUInt32BE((2 * first - ticks) >>> 0, 4);
    return true;
  };
  const show = await alongside({ unkind: { spoil: backwards } }, 6_000);
  await assertWhole('backwards', show);
});

test('a clock that jumps back five seconds now and then: the same', async () => {
  const jumping = (packet: Buffer) => {
    const ticks = packet.readUInt32BE(4);
    if (Math.floor(ticks / 180_000) % 2 === 1) packet.writeUInt32BE((ticks - 450_000) >>> 0, 4);
    return true;
  };
  const show = await alongside({ unkind: { spoil: jumping } }, 7_000);
  assert.ok(videoOf(show.gateway.kept.programme).length > 30);
  await assertWhole('jumping', show);
});

test('a thousand pictures in a second: taken as they come, without holding anybody up', async () => {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const show = await alongside({ file: thousandPerSecond }, 5_000);
  delay.disable();
  const pictures = videoOf(show.gateway.kept.programme).length;
  assert.ok(pictures > 1_000, `${pictures} pictures`);
  assert.ok(
    delay.percentile(90) / 1e6 < 150,
    `the loop lags ${delay.percentile(90) / 1e6} ms at the 90th percentile`,
  );
  await assertWhole('thousand', show);
});

test('8K: passed on as it is, the size told', async () => {
  const show = await alongside({ file: eightK }, 5_000);
  const [picture] = videoOf(show.gateway.kept.programme);
  assert.deepEqual([picture?.config.width, picture?.config.height], [7_680, 4_320]);
  await assertWhole('eight-k', show);
});

test('a size that no picture has: no picture, no end of anything', async () => {
  // The numbers of each parameter set, behind profile and level, become longer than any that there is.
  const spoilSet = (packet: Buffer, at: number, end: number) => {
    if (((packet[at] ?? 0) & NAL_TYPE) === 7) packet.fill(0, at + 4, end);
  };
  const monstrous = (packet: Buffer) => {
    if (((packet[12] ?? 0) & NAL_TYPE) !== 24) spoilSet(packet, 12, packet.length);
    else
      for (let at = 13; at + 2 < packet.length; at += 2 + packet.readUInt16BE(at))
        spoilSet(packet, at + 2, at + 2 + packet.readUInt16BE(at));
    return true;
  };
  const { gateway } = await alongside({ unkind: { spoil: monstrous } }, 5_000);
  assert.equal(videoOf(gateway.kept.programme).length, 0);
  assert.ok(audioOf(gateway.kept.programme).length > 50);
});

test('nothing at all: it is interrupted, and waits without harm', async () => {
  const silent = [videoTrack({ ssrc: 0x7007 }), audioTrack({ ssrc: 0x8008 })];
  const { gateway } = await alongside({ tracks: silent }, 6_000);
  assert.deepEqual(gateway.kept.programme, []);
  const state = gateway.channels.status(CHANNEL)?.state;
  assert.ok(state === 'starting' || state === 'interrupted', String(state));
});
