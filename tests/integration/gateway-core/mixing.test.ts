// Opus becomes AAC, or a mix in Opus, in a worker thread: in its place, and also after the worker has crashed.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Registry } from 'prom-client';
import type { AudioFrame, AudioCodec } from '#shared/media/frame.ts';
import { isRtcp } from '#shared/media/rtcp.ts';
import { parseRtp } from '#shared/media/rtp.ts';
import { createLog } from '#server/log.ts';
import { openMixing } from '../../../gateway/audio/mixing.ts';
import { AUDIO, flashAndBeep, startSender, until } from './harness.ts';

const PACKET_US = 20_000;
const log = createLog('silent', 'gateway');
const opus: Uint8Array[] = [];

before(async () => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (bytes) => {
    const packet = isRtcp(bytes) ? undefined : parseRtp(bytes);
    if (packet?.payloadType === AUDIO.payloadType) opus.push(packet.payload);
  });
  const sender = await startSender({ file: flashAndBeep(), port: socket.address().port, video: undefined });
  await until('a second of Opus', () => opus.length >= 60);
  await sender.close();
  socket.close();
});

const metrics = new Registry();
const mixing = openMixing({ log, metrics });
after(() => mixing.close());

/** A broadcast whose timeline is moved by hand. */
function bus(...codecs: AudioCodec[]) {
  const frames: AudioFrame[] = [];
  let positionUs: number | undefined = 0;
  const mixer = mixing.open({ onFrame: (frame) => frames.push(frame), positionUs: () => positionUs });
  mixer.want(new Set(codecs.length > 0 ? codecs : ['aac']));
  return {
    frames,
    mixer,
    play(source: string, fromUs: number, packets: number) {
      for (let count = 0; count < packets; count += 1) {
        mixer.addPacket(source, fromUs + count * PACKET_US, opus[count % opus.length] ?? new Uint8Array());
      }
      positionUs = fromUs + packets * PACKET_US;
    },
  };
}

/** Fails unless each access unit begins where the one before ended. */
function assertSeamless(frames: readonly AudioFrame[]): void {
  frames.slice(1).forEach((frame, index) => {
    const before = frames[index];
    assert.ok(before !== undefined && Math.abs(frame.ptsUs - before.ptsUs - before.durationUs) < 2);
  });
}

test('the first access unit is the encoder’s priming, one unit ahead of the first sound', async () => {
  const { frames, mixer, play } = bus();
  play('mic', 1_000_000, 50);
  await until('AAC', () => frames.length >= 40);
  assert.ok(Math.abs((frames[0]?.ptsUs ?? 0) - (1_000_000 - 21_333)) < 2);
  assertSeamless(frames);
  assert.equal(frames[0]?.config, frames[1]?.config);
  mixer.close();
});

test('sound that comes in one piece after a stall is all there', async () => {
  const { frames, mixer, play } = bus();
  play('mic', 1_000_000, 250);
  await until('AAC of five seconds', () => (frames.at(-1)?.ptsUs ?? 0) > 5_900_000);
  assert.ok((frames[0]?.ptsUs ?? 0) < 1_000_000, `it begins at ${frames[0]?.ptsUs}`);
  assertSeamless(frames);
  mixer.close();
});

test('packets that are no Opus are counted and leave silence', async () => {
  const { frames, mixer, play } = bus();
  play('mic', 0, 20);
  for (const data of [new Uint8Array(0), new Uint8Array(5_000), Uint8Array.of(0xff, 0xff, 0xff)]) {
    mixer.addPacket('mic', 20 * PACKET_US, data);
  }
  await until('AAC', () => frames.length > 10);
  mixer.addPacket('mic', 40 * PACKET_US, opus[0] ?? new Uint8Array());
  await until('more AAC', () => frames.length > 30);
  assertSeamless(frames);
  const counted = await metrics.getSingleMetricAsString('lectern_aac_damaged_packets_total');
  assert.match(counted, /total [23]/);
  mixer.close();
});

const inOpus = (frames: readonly AudioFrame[]) => frames.filter(({ config }) => config.codec === 'opus');

test('one voice is passed through; a second is mixed in, and when it ends the first is passed through again', async () => {
  const { frames, mixer, play } = bus('opus');
  play('mic', 0, 50);
  assert.equal(frames.length, 50, 'no worker is waited for');
  frames.forEach(({ data }, index) => assert.equal(data, opus[index % opus.length]));
  for (let packet = 50; packet < 150; packet += 2) {
    play('mic', packet * PACKET_US, 2);
    play('guest', packet * PACKET_US, 2);
  }
  await until('the mix', () => (frames.at(-1)?.ptsUs ?? 0) > 140 * PACKET_US);
  assert.ok(frames.slice(52).every(({ data }) => !opus.includes(data)));
  mixer.remove('guest');
  for (let packet = 150; packet < 250; packet += 1) {
    play('mic', packet * PACKET_US, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until('it is passed through', () => opus.includes(frames.at(-1)?.data ?? new Uint8Array()));
  assert.ok((frames.at(-1)?.ptsUs ?? 0) > 248 * PACKET_US);
  frames.slice(1).forEach((frame, index) => {
    const endUs = (frames[index]?.ptsUs ?? 0) + (frames[index]?.durationUs ?? 0);
    // At the change the rest of a packet that was not full is missing.
    assert.ok(
      Math.abs(frame.ptsUs - endUs) < 20_000,
      `${(frame.ptsUs - endUs) / 1_000} ms at ${frame.ptsUs}`,
    );
  });
  mixer.close();
});

test('who asks for AAC in the middle gets the last seconds of it too, in one stream', async () => {
  const { frames, mixer, play } = bus('opus');
  play('mic', 0, 200);
  assert.equal(inOpus(frames).length, frames.length);
  mixer.want(new Set<AudioCodec>(['aac', 'opus']));
  const aac = () => frames.filter(({ config }) => config.codec === 'aac');
  await until('AAC of what was', () => aac().length > 130);
  assert.ok((aac()[0]?.ptsUs ?? 0) <= 1_000_000 + PACKET_US);
  play('mic', 200 * PACKET_US, 50);
  await until('AAC of what is', () => (aac().at(-1)?.ptsUs ?? 0) > 240 * PACKET_US);
  assertSeamless(aac());
  assert.equal(inOpus(frames).length, 250);
  mixer.close();
});

test('when the worker crashes, every broadcast’s sound goes on with the next one', async () => {
  const bad = bus();
  const good = bus();
  good.play('mic', 0, 50);
  await until('AAC', () => good.frames.length >= 40);
  // A place that is none: the encoder cannot be told it.
  bad.mixer.addPacket('mic', Infinity, opus[0] ?? new Uint8Array());
  await until('the crash', () => restarts > 0);
  good.play('mic', 50 * PACKET_US, 50);
  await until('AAC of the next worker', () => (good.frames.at(-1)?.ptsUs ?? 0) > 80 * PACKET_US);
  good.frames.slice(1).forEach((frame, index) => {
    const endUs = (good.frames[index]?.ptsUs ?? 0) + frame.durationUs;
    assert.ok(frame.ptsUs > endUs - 2, 'it never goes back');
    assert.ok(frame.ptsUs < endUs + 100_000, `a hole of ${(frame.ptsUs - endUs) / 1_000} ms`);
  });
  bad.mixer.close();
  good.mixer.close();
});

let restarts = 0;
const watching = setInterval(() => {
  void metrics.getSingleMetricAsString('lectern_aac_worker_restarts_total').then((text) => {
    restarts = Number(/total (\d+)/.exec(text)?.[1] ?? 0);
  });
}, 20);
after(() => clearInterval(watching));
