// The SFU's part of the way is real here: ffmpeg → mediasoup → the ingest port.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import * as mediasoup from 'mediasoup';
import { decodeErrors, skewsMs } from '../../support/av.ts';
import {
  AUDIO,
  audioOf,
  audioTrack,
  CHANNEL,
  feedOf,
  flashAndBeep,
  keepFeeding,
  startGateway,
  startSender,
  until,
  VIDEO,
  videoOf,
  videoTrack,
  writeFlv,
} from './harness.ts';

const VIDEO_CODEC = {
  mimeType: 'video/H264',
  clockRate: 90_000,
  parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  rtcpFeedback: [
    { type: 'nack', parameter: '' },
    { type: 'nack', parameter: 'pli' },
  ],
};
const AUDIO_CODEC = { mimeType: 'audio/opus', clockRate: 48_000, channels: 2 };

const skip =
  process.env.MEDIASOUP_WORKER_BIN === undefined
    ? 'MEDIASOUP_WORKER_BIN names no worker; npm test sets it'
    : false;

test('through mediasoup the class comes out whole, and flash and beep together', { skip }, async () => {
  const gateway = await startGateway();
  const worker = await mediasoup.createWorker({ logLevel: 'error' });
  try {
    const router = await worker.createRouter({
      mediaCodecs: [
        { kind: 'video', ...VIDEO_CODEC },
        { kind: 'audio', ...AUDIO_CODEC },
      ],
    });
    const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;
    const inbound = await router.createPlainTransport({ listenInfo, rtcpMux: true, comedia: true });
    const outbound = await router.createPlainTransport({ listenInfo, rtcpMux: true, comedia: false });
    const rtcp = { cname: 'teacher' };
    const producers = [
      await inbound.produce({
        kind: 'video',
        rtpParameters: {
          codecs: [{ payloadType: VIDEO.payloadType, ...VIDEO_CODEC }],
          encodings: [{ ssrc: VIDEO.ssrc }],
          rtcp,
        },
      }),
      await inbound.produce({
        kind: 'audio',
        rtpParameters: {
          codecs: [{ payloadType: AUDIO.payloadType, ...AUDIO_CODEC }],
          encodings: [{ ssrc: AUDIO.ssrc }],
          rtcp,
        },
      }),
    ];
    const consumers = [];
    for (const { id } of producers) {
      consumers.push(
        await outbound.consume({
          producerId: id,
          rtpCapabilities: router.rtpCapabilities,
          paused: true,
          pipe: true,
        }),
      );
    }
    const [video, audio] = consumers.map(({ rtpParameters }) => ({
      ssrc: rtpParameters.encodings?.[0]?.ssrc ?? 0,
      payloadType: rtpParameters.codecs[0]?.payloadType ?? 0,
    }));
    const from = { ip: outbound.tuple.localAddress, port: outbound.tuple.localPort };
    const feeding = keepFeeding(gateway, feedOf(from, [videoTrack(video), audioTrack(audio)]));
    const sender = await startSender({ file: flashAndBeep(), port: inbound.tuple.localPort });
    try {
      await outbound.connect({ ip: '127.0.0.1', port: gateway.port });
      for (const consumer of consumers) await consumer.resume();
      await until('six seconds', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 6_000, 20_000);
      const { programme } = gateway.kept;
      assert.ok(videoOf(programme).length > 150 && audioOf(programme).length > 250);
      const file = writeFlv('mediasoup', programme);
      assert.equal(await decodeErrors(file), '');
      const skews = await skewsMs(file);
      assert.ok(skews.length >= 4, `${skews.length} flashes`);
      for (const skew of skews) assert.ok(Math.abs(skew) <= 40, `flash and beep are ${skew} ms apart`);
      rmSync(file);
      // Our requests for a key frame arrive at the one that sends the picture.
      gateway.requestKeyframe();
      const isPli = (packet: Buffer) => packet.length >= 12 && packet.includes(Buffer.from([0x81, 206]));
      await until('the request', () => sender.received.some(isPli));
    } finally {
      feeding.stop();
      await sender.close();
    }
  } finally {
    worker.close();
    await gateway.close();
  }
});
