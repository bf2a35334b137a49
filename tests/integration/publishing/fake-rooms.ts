// An SFU as far as publications see it: it takes the PUT through the contract's schema, listens for the
// RTP on one port, and makes pictures and sounds of it again.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { EncoderState } from '#shared/contract/internal.ts';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import { Unwrapper } from '#shared/media/clock.ts';
import { isRtcp, readSenderReports, writePictureLoss, type SenderReport } from '#shared/media/rtcp.ts';
import { parseRtp } from '#shared/media/rtp.ts';
import { readJson, requireBearer, sendError, sendJson } from '#server/http.ts';
import { createLog } from '#server/log.ts';
import { closeServer, createServer, listen } from '#server/service.ts';
import { H264Depacketiser } from '../../../gateway/ingest/rtp/h264.ts';
import type { CodedVideoFrame } from '../../../gateway/ingest/rtp/depacketiser.ts';

export const INTERNAL = 'the-internal-secret-of-the-tests';

export interface HeardPicture extends CodedVideoFrame<AvcConfig> {
  readonly atMs: number;
}

export interface Heard {
  readonly states: EncoderState[];
  readonly ended: string[];
  readonly pictures: HeardPicture[];
  readonly sounds: { ticks: number; bytes: number; atMs: number }[];
  readonly reports: SenderReport[];
  /** Packets that did not follow the one before them, by kind. */
  readonly gaps: { audio: number; video: number };
  packets: number;
}

export interface FakeRooms {
  readonly url: string;
  readonly heard: Heard;
  /** Refuses with this from now on; undefined accepts. */
  refuse(code: ErrorCode | undefined): void;
  /** Asks for a key frame, as a consumer does. */
  sendPli(): void;
  /** Asks for packets of the video again. */
  sendNack(sequence: number): void;
  /** RTP of the video, as it came. */
  readonly videoSequences: number[];
  close(): Promise<void>;
}

export async function startFakeRooms(secret = INTERNAL): Promise<FakeRooms> {
  const log = createLog('silent', 'sfu');
  const heard: Heard = {
    states: [],
    ended: [],
    pictures: [],
    sounds: [],
    reports: [],
    gaps: { audio: 0, video: 0 },
    packets: 0,
  };
  const videoSequences: number[] = [];
  const udp: Socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  let refusal: ErrorCode | undefined;
  let from: RemoteInfo | undefined;
  let streams = new Map<number, Stream>();

  udp.on('message', (bytes, remote) => {
    from = remote;
    if (isRtcp(bytes)) {
      heard.reports.push(...readSenderReports(bytes));
      return;
    }
    const packet = parseRtp(bytes);
    if (packet === undefined) return;
    heard.packets += 1;
    const kind = packet.payloadType === 96 ? 'video' : 'audio';
    let stream = streams.get(packet.ssrc);
    if (stream === undefined) {
      stream = {
        clock: new Unwrapper(32),
        sequence: new Unwrapper(16),
        last: undefined,
        video: new H264Depacketiser((picture) =>
          heard.pictures.push({ ...picture, data: new Uint8Array(picture.data), atMs: performance.now() }),
        ),
      };
      streams.set(packet.ssrc, stream);
    }
    const sequence = stream.sequence.unwrap(packet.sequence);
    const lost = stream.last === undefined ? 0 : sequence - stream.last - 1;
    if (kind === 'video') videoSequences.push(packet.sequence);
    if (lost < 0) return; // Sent again.
    if (lost !== 0) heard.gaps[kind] += 1;
    stream.last = sequence;
    const ticks = stream.clock.unwrap(packet.timestamp);
    if (kind === 'video') {
      stream.video.addPacket({ ticks, marker: packet.marker, payload: packet.payload }, lost);
    } else {
      heard.sounds.push({ ticks, bytes: packet.payload.length, atMs: performance.now() });
    }
  });

  const server: Server = createServer((request, response) => {
    const answer = async () => {
      requireBearer(request, secret);
      const url = new URL(request.url ?? '', 'http://sfu');
      if (!/^\/internal\/rooms\/[a-z0-9]+\/encoder$/.test(url.pathname)) throw new LecternError('not-found');
      if (request.method === 'DELETE') {
        heard.ended.push(url.searchParams.get('publication') ?? '');
        return {};
      }
      const state = await readJson(request, EncoderState);
      if (refusal !== undefined) throw new LecternError(refusal);
      heard.states.push(state);
      return { state: 'accepted', to: { ip: '127.0.0.1', port: udp.address().port } };
    };
    answer().then(
      (body) => sendJson(response, 200, body),
      (error: unknown) => sendError(response, error, log),
    );
  });
  const port = await listen(server, 0, '127.0.0.1');
  const videoSsrc = () => heard.states.at(-1)?.tracks.find(({ kind }) => kind === 'video')?.ssrc ?? 0;
  return {
    url: `http://127.0.0.1:${port}`,
    heard,
    videoSequences,
    refuse: (code) => (refusal = code),
    sendPli() {
      if (from !== undefined) udp.send(writePictureLoss(7, videoSsrc()), from.port, from.address);
    },
    sendNack(sequence) {
      const nack = Buffer.alloc(16);
      nack.set([0x81, 205, 0, 3]);
      nack.writeUInt32BE(videoSsrc(), 8);
      nack.writeUInt16BE(sequence, 12);
      if (from !== undefined) udp.send(nack, from.port, from.address);
    },
    async close() {
      streams = new Map();
      udp.close();
      await closeServer(server);
    },
  };
}

interface Stream {
  readonly clock: Unwrapper;
  readonly sequence: Unwrapper;
  readonly video: H264Depacketiser;
  last: number | undefined;
}
