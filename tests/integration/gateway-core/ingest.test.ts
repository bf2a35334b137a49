// A class arrives over RTP and becomes frames that a decoder takes without a word.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AudioFrame } from '#shared/media/frame.ts';
import { decodeErrors, flashTimes, probe, skewsMs } from '../../support/av.ts';
import {
  audioOf,
  audioTrack,
  CHANNEL,
  feedOf,
  flashAndBeep,
  keepFeeding,
  movingClass,
  startGateway,
  startSender,
  until,
  videoOf,
  videoTrack,
  vp8Class,
  writeFlv,
} from './harness.ts';

const files: string[] = [];
after(() => files.forEach((file) => rmSync(file, { force: true })));

/** Fails unless decoding times rise from frame to frame. */
function assertRising(times: readonly number[], what: string): void {
  times.slice(1).forEach((time, index) => {
    assert.ok(time > (times[index] ?? Infinity), `${what} goes from ${times[index]} to ${time}`);
  });
}

/** Fails if there is a hole or an overlap in the sound. */
function assertSeamless(sound: readonly AudioFrame[]): void {
  assert.ok(sound.length > 20);
  sound.slice(1).forEach((frame, index) => {
    const endUs = (sound[index]?.ptsUs ?? 0) + frame.durationUs;
    assert.ok(Math.abs(frame.ptsUs - endUs) < 2, `sound ends at ${endUs} µs and goes on at ${frame.ptsUs}`);
  });
}

test('flash and beep of a class stay together, and none is lost at the start', async () => {
  const gateway = await startGateway();
  const sender = await startSender({ file: flashAndBeep(), port: gateway.port });
  const feeding = keepFeeding(gateway, feedOf(sender.from, [videoTrack(), audioTrack()]));
  try {
    await until(
      'six seconds of class',
      () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 6_000,
      15_000,
    );
    const { programme } = gateway.kept;
    const file = writeFlv('skew', programme);
    files.push(file);
    assert.equal(await decodeErrors(file), '');
    const { streams } = await probe(file);
    assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['aac', 'h264']);
    const skews = await skewsMs(file);
    assert.ok(skews.length >= 4, `${skews.length} flashes`);
    for (const skew of skews) assert.ok(Math.abs(skew) <= 40, `flash and beep are ${skew} ms apart`);
    // Sound begins where the picture begins, and has no hole.
    const sound = audioOf(programme);
    const first = videoOf(programme)[0];
    assert.ok(first !== undefined && (sound[0]?.ptsUs ?? Infinity) <= first.ptsUs);
    assertSeamless(sound);
  } finally {
    feeding.stop();
    await sender.close();
    await gateway.close();
  }
});

test('packets that come in the wrong order are put right: no picture is lost', async () => {
  const gateway = await startGateway();
  const sender = await startSender({
    file: movingClass(),
    port: gateway.port,
    unkind: { delay: 0.05, delayMs: 30 },
  });
  const feeding = keepFeeding(gateway, feedOf(sender.from, [videoTrack(), audioTrack()]));
  try {
    await until('four seconds', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 4_000, 15_000);
    const pictures = videoOf(gateway.kept.programme);
    const file = writeFlv('reordered', gateway.kept.programme);
    files.push(file);
    assert.equal(await decodeErrors(file), '');
    pictures.slice(1).forEach((picture, index) => {
      const stepMs = (picture.ptsUs - (pictures[index]?.ptsUs ?? 0)) / 1_000;
      assert.ok(stepMs > 25 && stepMs < 45, `a step of ${stepMs} ms at 30 pictures per second`);
    });
  } finally {
    feeding.stop();
    await sender.close();
    await gateway.close();
  }
});

test('of a stream that loses packets only whole pictures come out, and key frames are asked for', async () => {
  const gateway = await startGateway();
  const sender = await startSender({
    file: movingClass(),
    port: gateway.port,
    unkind: { lose: 0.02, delay: 0.03 },
  });
  const feeding = keepFeeding(gateway, feedOf(sender.from, [videoTrack(), audioTrack()]));
  try {
    await until('eight seconds', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 8_000, 20_000);
    assert.ok(sender.lost > 3, `the relay lost ${sender.lost}`);
    const pictures = videoOf(gateway.kept.programme);
    assert.ok(pictures.length > 30, `${pictures.length} pictures`);
    assertRising(
      pictures.map(({ dtsUs }) => dtsUs),
      'the picture',
    );
    const file = writeFlv('lossy', gateway.kept.programme);
    files.push(file);
    assert.equal(await decodeErrors(file), '');
    // Payload-specific feedback, format 1: a picture loss indication (RFC 4585).
    const indications = sender.received.filter(
      (packet) => packet.length === 20 && packet[9] === 206 && packet[8] === 0x81,
    );
    assert.ok(indications.length >= 2, `${indications.length} requests`);
    assert.ok(indications.every((packet) => packet.readUInt32BE(16) === 0x1001));
  } finally {
    feeding.stop();
    await sender.close();
    await gateway.close();
  }
});

test('a teacher who reloads the page is back on the same broadcast, right behind the last picture', async () => {
  const gateway = await startGateway();
  const before = await startSender({ file: flashAndBeep(), port: gateway.port });
  const feeding = keepFeeding(gateway, feedOf(before.from, [videoTrack(), audioTrack()]));
  await until('two seconds', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 2_000, 15_000);
  await before.close();
  feeding.set(feedOf(null, []));
  await until('the interruption', () => gateway.channels.status(CHANNEL)?.state === 'interrupted');
  await until('the cut', () => gateway.kept.interruptions === 1);
  const stoodAtMs = gateway.channels.status(CHANNEL)?.durationMs ?? 0;
  const fresh = { video: { ssrc: 0x3003, payloadType: 96 }, audio: { ssrc: 0x4004, payloadType: 97 } };
  const later = await startSender({ file: flashAndBeep(), port: gateway.port, ...fresh });
  try {
    feeding.set(
      feedOf(later.from, [
        videoTrack({ id: 'cam2:0', ...fresh.video }),
        audioTrack({ id: 'mic2:0', ...fresh.audio }),
      ]),
    );
    await until('the return', () => gateway.channels.status(CHANNEL)?.state === 'live');
    await until(
      'two more seconds',
      () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > stoodAtMs + 2_000,
    );
    const pictures = videoOf(gateway.kept.programme);
    assertRising(
      pictures.map(({ dtsUs }) => dtsUs),
      'the picture',
    );
    const first = pictures.find(({ ptsUs }) => ptsUs / 1_000 >= stoodAtMs - 1);
    assert.ok(first?.key === true, 'it returns with a key frame');
    assert.ok(first.ptsUs / 1_000 - stoodAtMs < 500, `the gap is ${first.ptsUs / 1_000 - stoodAtMs} ms`);
    assertSeamless(audioOf(gateway.kept.programme));
    const file = writeFlv('reload', gateway.kept.programme);
    files.push(file);
    assert.equal(await decodeErrors(file), '');
    // Each flash has its beep, on both sides of the gap.
    const flashes = await flashTimes(file);
    const skews = await skewsMs(file);
    assert.ok(flashes.length >= 3 && skews.length === flashes.length, `${skews.length} of ${flashes.length}`);
    for (const skew of skews) assert.ok(Math.abs(skew) <= 40, `flash and beep are ${skew} ms apart`);
    const states = gateway.events.map((event) =>
      event.type === 'broadcast:changed' ? event.state : event.type,
    );
    assert.deepEqual(states, ['starting', 'live', 'interrupted', 'live']);
  } finally {
    feeding.stop();
    await later.close();
    await gateway.close();
  }
});

test('sharing the screen changes the picture at a key frame, and the sound goes on in time', async () => {
  const gateway = await startGateway();
  const camera = await startSender({ file: flashAndBeep(), port: gateway.port });
  const screen = { ssrc: 0x5005, payloadType: 103 };
  const feeding = keepFeeding(gateway, feedOf(camera.from, [videoTrack(), audioTrack()]));
  await until('a second', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 1_000, 15_000);
  const share = await startSender({
    file: movingClass(),
    port: gateway.port,
    video: screen,
    audio: undefined,
    via: camera,
  });
  try {
    const tracks = [videoTrack({ id: 'scr:0', source: 'screen', ...screen }), audioTrack()];
    feeding.set(feedOf(camera.from, tracks));
    await until('the screen', () => (gateway.kept.ladder.get('scr:0')?.length ?? 0) > 60);
    const sizes = videoOf(gateway.kept.programme).map(({ config, key }) => ({ width: config.width, key }));
    const change = sizes.findIndex(({ width }) => width === 640);
    assert.ok(change > 0 && sizes[change]?.key === true, 'the screen begins with a key frame');
    assert.ok(
      sizes.slice(change).every(({ width }) => width === 640),
      'the camera does not come back',
    );
    assert.deepEqual(
      gateway.kept.tracks.at(-1)?.map(({ id }) => id),
      ['scr:0'],
    );
    assert.equal(gateway.kept.interruptions, 0);
    const pictures = videoOf(gateway.kept.programme);
    assertRising(
      pictures.map(({ dtsUs }) => dtsUs),
      'the picture',
    );
    const [beforeUs = 0, fromUs = 0] = pictures.slice(change - 1, change + 1).map(({ ptsUs }) => ptsUs);
    assert.ok(fromUs - beforeUs < 200_000, 'the camera goes on until the screen is there');
    assertSeamless(audioOf(gateway.kept.programme));
  } finally {
    feeding.stop();
    await share.close();
    await camera.close();
    await gateway.close();
  }
});

test('a class without a camera is a broadcast of sound', async () => {
  const gateway = await startGateway();
  const sender = await startSender({ file: flashAndBeep(), port: gateway.port, video: undefined });
  const feeding = keepFeeding(gateway, feedOf(sender.from, [audioTrack()]));
  try {
    await until('sound', () => gateway.kept.sound.length > 60);
    assert.equal(gateway.channels.status(CHANNEL)?.state, 'live');
    const file = writeFlv('sound', gateway.kept.programme);
    files.push(file);
    assert.equal(await decodeErrors(file), '');
  } finally {
    feeding.stop();
    await sender.close();
    await gateway.close();
  }
});

test('malformed data on the port is counted, and the class alongside it does not notice', async () => {
  const gateway = await startGateway();
  const sender = await startSender({ file: movingClass(), port: gateway.port });
  const feeding = keepFeeding(gateway, feedOf(sender.from, [videoTrack(), audioTrack()]));
  const stranger = createSocket('udp4');
  try {
    await until('a second', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 1_000, 15_000);
    let state = 42;
    for (let count = 0; count < 3_000; count += 1) {
      const packet = Buffer.alloc(count % 200);
      for (let i = 0; i < packet.length; i += 1) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        packet[i] = state >>> 24;
      }
      // Some look like the class's own stream, from another address.
      if (count % 3 === 0 && packet.length >= 12) {
        packet[0] = 0x80;
        packet[1] = 101;
        packet.writeUInt32BE(0x1001, 8);
      }
      stranger.send(packet, gateway.port, '127.0.0.1');
      if (count % 100 === 0) await sleep(5);
    }
    const at = gateway.channels.status(CHANNEL)?.durationMs ?? 0;
    await until('two more seconds', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > at + 2_000);
    const file = writeFlv('malformed', gateway.kept.programme);
    files.push(file);
    assert.equal(await decodeErrors(file), '');
    const counted = await gateway.metrics.getSingleMetricAsString('lectern_ingest_malformed_total');
    assert.ok(Number(/total (\d+)/.exec(counted)?.[1]) > 1_000, counted);
  } finally {
    stranger.close();
    feeding.stop();
    await sender.close();
    await gateway.close();
  }
});

test('a browser without H.264 is transcoded, and the status says so', async () => {
  const gateway = await startGateway();
  const sender = await startSender({ file: vp8Class(), port: gateway.port });
  const feeding = keepFeeding(gateway, feedOf(sender.from, [videoTrack({ codec: 'vp8' }), audioTrack()]));
  try {
    await until('pictures', () => videoOf(gateway.kept.programme).length > 45, 20_000);
    assert.equal(gateway.channels.status(CHANNEL)?.notice, 'converted');
    const file = writeFlv('vp8', gateway.kept.programme);
    files.push(file);
    assert.equal(await decodeErrors(file), '');
    const { streams } = await probe(file);
    assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['aac', 'h264']);
    const pictures = videoOf(gateway.kept.programme);
    pictures.slice(1).forEach((picture, index) => {
      const stepMs = (picture.ptsUs - (pictures[index]?.ptsUs ?? 0)) / 1_000;
      assert.ok(stepMs > 50 && stepMs < 90, `a step of ${stepMs} ms at 15 pictures per second`);
    });
  } finally {
    feeding.stop();
    await sender.close();
    await gateway.close();
  }
});

test('without ffmpeg such a class fails and says what is missing', async () => {
  const gateway = await startGateway({ ffmpeg: '/nowhere/ffmpeg' });
  const sender = await startSender({ file: vp8Class(), port: gateway.port });
  const feeding = keepFeeding(gateway, feedOf(sender.from, [videoTrack({ codec: 'vp8' }), audioTrack()]));
  try {
    await until('the failure', () => gateway.channels.status(CHANNEL)?.state === 'failed');
    assert.equal(gateway.channels.status(CHANNEL)?.notice, 'no-ffmpeg');
    assert.ok(gateway.kept.ended);
  } finally {
    feeding.stop();
    await sender.close();
    await gateway.close();
  }
});
