// Publishers that drop and return, take over, and come twice.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlvDemuxer, type FlvTag } from '#shared/media/flv.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';
import { plain } from './films.ts';
import { pushFile, startRig, until, type Rig } from './rig.ts';

let rig: Rig;
let tags: FlvTag[];

before(async () => {
  rig = await startRig();
  const args = ['-v', 'error', '-i', plain(), '-t', '4', '-c', 'copy', '-f', 'flv', 'pipe:1'];
  tags = new FlvDemuxer().readBytes(execFileSync('ffmpeg', args, { maxBuffer: 64 * 1024 * 1024 }));
});
after(() => rig.close());

const heard = () => rig.rooms.heard;
const lastState = () => {
  const state = heard().states.at(-1);
  assert.ok(state !== undefined);
  return state;
};

async function join(): Promise<RtmpPublisherClient> {
  const client = await RtmpPublisherClient.open(rig.port);
  await client.publish(rig.streamKey);
  return client;
}

/** Sends the film's first `lengthMs` as time goes by, its clock beginning at `fromMs`. */
async function play(client: RtmpPublisherClient, lengthMs: number, fromMs = 0): Promise<void> {
  const started = performance.now();
  for (const { type, timestampMs, body } of tags) {
    if (timestampMs >= lengthMs) return;
    const waitMs = timestampMs - (performance.now() - started);
    if (waitMs > 15) await sleep(waitMs);
    client.send(type, fromMs + timestampMs, body);
  }
}

describe('a publisher', () => {
  test('that drops and returns goes on in the same streams, its clock never back', async () => {
    const first = pushFile(plain(), rig.url);
    await until('the first', () => heard().pictures.length > 60);
    const before = lastState();
    await first.stop('SIGKILL');
    await sleep(4_000);
    const at = { pictures: heard().pictures.length, sounds: heard().sounds.length };
    assert.deepEqual(heard().ended, [], 'it is waited for');
    const second = pushFile(plain(), rig.url);
    await until('the second', () => heard().pictures.length > at.pictures + 60);
    assert.deepEqual(lastState().tracks, before.tracks);
    assert.equal(lastState().publication, before.publication);
    for (const kind of ['pictures', 'sounds'] as const) {
      const ticks = heard()[kind].map((one) => one.ticks);
      const rate = kind === 'pictures' ? 90 : 48;
      assert.ok(
        ticks.every((tick, index) => index === 0 || tick > (ticks[index - 1] ?? 0)),
        `${kind} in order`,
      );
      const gapMs = ((ticks[at[kind]] ?? 0) - (ticks[at[kind] - 1] ?? 0)) / rate;
      assert.ok(gapMs > 3_500 && gapMs < 7_000, `the gap in ${kind} is as long as it was: ${gapMs} ms`);
    }
    assert.deepEqual(heard().gaps, { audio: 0, video: 0 }, 'sequence numbers go on');
    await second.stop('SIGINT');
    await until('its goodbye', () => heard().ended.includes(before.publication), 3_000);
  });

  test('alongside one that publishes is refused; after three silent seconds it takes over', async () => {
    const first = await join();
    await play(first, 600);
    const second = await join();
    assert.match(second.statuses[0]?.description ?? '', /^already-publishing: Another program/);
    assert.ok(!first.socket.destroyed);
    await sleep(3_100);
    const third = await join();
    assert.equal(third.statuses[0]?.code, 'NetStream.Publish.Start');
    await first.closed(3_000);
    assert.match(first.statuses.at(-1)?.description ?? '', /session-replaced/);
    third.finish();
    await third.closed();
  });

  test(
    'that returns a hundred times adds no skew between sound and picture',
    { timeout: 240_000 },
    async () => {
      const skews: number[] = [];
      // What the encoder still had of the round before may come late: a round begins where time jumps.
      const begin = (kind: 'pictures' | 'sounds', from: number) => {
        const stepTicks = kind === 'pictures' ? 90_000 / 30 : 48_000 / 50;
        const ticksAt = (at: number) => heard()[kind][at]?.ticks ?? -Infinity;
        return heard()[kind].find(({ ticks }, at) => at >= from && ticks - ticksAt(at - 1) > stepTicks * 1.5);
      };
      const ended = heard().ended.length;
      for (let round = 0; round < 100; round += 1) {
        const from = { pictures: heard().pictures.length, sounds: heard().sounds.length };
        const reports = heard().reports.length;
        const client = await join();
        // Each time another clock.
        await play(client, 400, round * 7_919);
        await until(
          'picture and sound',
          () => begin('pictures', from.pictures) !== undefined && begin('sounds', from.sounds) !== undefined,
        );
        client.socket.destroy();
        // Both begin at the film's zero; sender reports say when that was on each stream.
        const wall = (kind: 'pictures' | 'sounds', rate: number) => {
          const ssrc = lastState().tracks.find(
            (track) => (track.kind === 'video') === (kind === 'pictures'),
          )?.ssrc;
          const report = heard().reports.findLast((one) => one.ssrc === ssrc);
          const first = begin(kind, from[kind]);
          assert.ok(report !== undefined && first !== undefined);
          const ticks = ((first.ticks % 2 ** 32) - report.rtpTimestamp) % 2 ** 32;
          const near = ticks > 2 ** 31 ? ticks - 2 ** 32 : ticks < -(2 ** 31) ? ticks + 2 ** 32 : ticks;
          return report.ntpMs + near / rate;
        };
        assert.ok(reports <= heard().reports.length);
        skews.push(wall('sounds', 48) - wall('pictures', 90));
        await sleep(20);
      }
      // The film's own distance, and the 6.5 ms by which Opus is earlier than its first sample.
      const begins = (kind: FlvTag['type']) => tags.filter(({ type }) => type === kind)[1]?.timestampMs ?? 0;
      const meant = begins('audio') - begins('video') - 6.5;
      const worst = Math.max(...skews.map((skew) => Math.abs(skew - meant)));
      assert.ok(worst <= 4, `sound and picture are up to ${worst.toFixed(1)} ms off`);
      assert.equal(heard().ended.length, ended, 'nobody was told of an end');
    },
  );
});

describe('the SFU', () => {
  test('that restarts is told again, and the publisher notices nothing', async () => {
    const client = await join();
    void play(client, 4_000);
    await sleep(1_200);
    rig.rooms.refuse('service-unavailable');
    await sleep(1_500);
    const states = heard().states.length;
    rig.rooms.refuse(undefined);
    await until('a statement', () => heard().states.length > states, 3_000);
    assert.ok(!client.socket.destroyed);
    client.finish();
    await client.closed();
  });
});
