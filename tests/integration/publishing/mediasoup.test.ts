// Through a real mediasoup and the gateway's own way in: what a publisher sends reaches the audience
// together, flash and beep.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as mediasoup from 'mediasoup';
import type { EncoderState } from '#shared/contract/internal.ts';
import { readJson, sendJson } from '#server/http.ts';
import { EncoderState as Schema } from '#shared/contract/internal.ts';
import { closeServer, createServer, listen } from '#server/service.ts';
import { decodeErrors, median, skewsMs } from '../../support/av.ts';
import {
  audioOf,
  audioTrack,
  CHANNEL,
  feedOf,
  keepFeeding,
  startGateway,
  until,
  videoOf,
  videoTrack,
  writeFlv,
} from '../gateway-core/harness.ts';
import { SenderReports } from '../../../sfu/media/sender-reports.ts';
import { flashAndBeep, withBFrames } from './films.ts';
import { pushFile, startRig } from './rig.ts';

const FEEDBACK = [
  { type: 'nack', parameter: '' },
  { type: 'nack', parameter: 'pli' },
];
const VIDEO_CODEC = {
  mimeType: 'video/H264',
  clockRate: 90_000,
  parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  rtcpFeedback: FEEDBACK,
};
const AUDIO_CODEC = { mimeType: 'audio/opus', clockRate: 48_000, channels: 2 };

const skip =
  process.env.MEDIASOUP_WORKER_BIN === undefined
    ? 'MEDIASOUP_WORKER_BIN names no worker; npm test sets it'
    : false;

/** The least that takes a publication in: a router, producers as they are stated, consumers to the gateway. */
async function startRoom(gatewayPort: number, onTracks: (feed: ReturnType<typeof feedOf>) => void) {
  const worker = await mediasoup.createWorker({ logLevel: 'error' });
  const router = await worker.createRouter({
    mediaCodecs: [
      { kind: 'video', ...VIDEO_CODEC },
      { kind: 'audio', ...AUDIO_CODEC },
    ],
  });
  const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;
  const inbound = await router.createPlainTransport({ listenInfo, rtcpMux: true, comedia: true });
  const outbound = await router.createPlainTransport({ listenInfo, rtcpMux: true, comedia: false });
  await outbound.connect({ ip: '127.0.0.1', port: gatewayPort });
  const tracks = new Map<number, ReturnType<typeof videoTrack>>();
  const reports = new Map<number, SenderReports>();

  async function take({ tracks: stated }: EncoderState): Promise<void> {
    for (const { kind, ssrc, payloadType } of stated) {
      if (tracks.has(ssrc)) continue;
      const codec = kind === 'video' ? VIDEO_CODEC : AUDIO_CODEC;
      const producer = await inbound.produce({
        kind,
        rtpParameters: {
          codecs: [{ payloadType, ...codec }],
          encodings: [{ ssrc }],
          rtcp: { cname: 'encoder' },
        },
      });
      const { rtpParameters } = await outbound.consume({
        producerId: producer.id,
        rtpCapabilities: router.rtpCapabilities,
        pipe: true,
      });
      const sent = {
        id: `${kind}:0`,
        ssrc: rtpParameters.encodings?.[0]?.ssrc ?? 0,
        payloadType: rtpParameters.codecs[0]?.payloadType ?? 0,
      };
      tracks.set(ssrc, kind === 'video' ? videoTrack(sent) : audioTrack(sent));
      reports.set(ssrc, await SenderReports.watch(producer));
      state();
    }
  }

  // As the SFU does: with each producer's own report, by which sound and picture are put together.
  function state(): void {
    const from = { ip: outbound.tuple.localAddress, port: outbound.tuple.localPort };
    const stated = [...tracks].map(([ssrc, track]) => {
      const senderReport = reports.get(ssrc)?.ofLayer(0);
      return senderReport === undefined ? track : { ...track, senderReport };
    });
    if (stated.length > 0) onTracks(feedOf(from, stated));
  }
  const timer = setInterval(state, 500);

  const server = createServer((request, response) => {
    const answer = async () => {
      if (request.method !== 'PUT') return {};
      await take(await readJson(request, Schema));
      return { state: 'accepted', to: { ip: inbound.tuple.localAddress, port: inbound.tuple.localPort } };
    };
    answer().then(
      (body) => sendJson(response, 200, body),
      (error: unknown) =>
        sendJson(response, 500, { error: { code: 'internal-error', message: String(error) } }),
    );
  });
  const port = await listen(server, 0, '127.0.0.1');
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      clearInterval(timer);
      await closeServer(server);
      worker.close();
    },
  };
}

for (const [name, film, mostMs] of [
  ['passed on', flashAndBeep, 30],
  ['converted', withBFrames, Infinity],
] as const) {
  test(`a publication that is ${name} comes out whole`, { skip }, async () => {
    const gateway = await startGateway();
    let feeding: ReturnType<typeof keepFeeding> | undefined;
    const room = await startRoom(gateway.port, (feed) => {
      if (feeding === undefined) feeding = keepFeeding(gateway, feed);
      else feeding.set(feed);
    });
    const rig = await startRig({ roomsUrl: room.url });
    const ffmpeg = pushFile(film(), rig.url);
    try {
      await until('six seconds', () => (gateway.channels.status(CHANNEL)?.durationMs ?? 0) > 6_000, 30_000);
      const { programme } = gateway.kept;
      assert.ok(videoOf(programme).length > 120 && audioOf(programme).length > 200);
      const file = writeFlv(`published-${name.replace(' ', '-')}`, programme);
      assert.equal(await decodeErrors(file), '');
      if (mostMs === Infinity) return;
      const skews = await skewsMs(file);
      assert.ok(skews.length >= 4, `${skews.length} flashes`);
      assert.ok(Math.abs(median(skews)) <= mostMs, `flash and beep are ${median(skews)} ms apart`);
    } finally {
      feeding?.stop();
      await ffmpeg.stop();
      await rig.close();
      await room.close();
      await gateway.close();
    }
  });
}
