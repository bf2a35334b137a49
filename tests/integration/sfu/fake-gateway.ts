// Speaks the gateway's internal contract and takes RTP, so that a test sees what the SFU sends.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { recordingOf } from '#shared/domain/recording.ts';
import {
  AccessQuestion,
  BroadcastFeed,
  type AccessAnswer,
  type BroadcastStatus,
} from '#shared/contract/internal.ts';
import { readU16 } from '#shared/media/bytes.ts';
import { isRtcp, readSenderReports, writePictureLoss } from '#shared/media/rtcp.ts';
import { parseRtp, peekSsrc } from '#shared/media/rtp.ts';

/** What was seen under one SSRC. */
export interface Stream {
  packets: number;
  payloadType: number;
  first: { seq: number; timestamp: number; nal: number; atMs: number };
  last: { timestamp: number; atMs: number };
  /** RTP timestamps of pictures that hold an IDR slice. */
  keys: Set<number>;
  /** How many packets carried the capture clock. */
  withCaptureTime: number;
  reports: { ntpMs: number; rtp: number }[];
}

export class FakeGateway {
  readonly port: number;
  readonly ingest: { ip: string; port: number };
  readonly streams = new Map<number, Stream>();
  readonly feeds: { channel: string; feed: BroadcastFeed; atMs: number }[] = [];
  readonly ended: string[] = [];
  /** Answers who may play and publish. */
  decide: (question: AccessQuestion) => Promise<AccessAnswer> = async () => ({
    allow: false,
    rule: null,
    code: 'forbidden',
  });
  diskTrouble: BroadcastStatus['diskTrouble'] = null;
  /** What the next answers say. */
  status: Pick<BroadcastStatus, 'state' | 'notice' | 'startedAtMs' | 'viewers'> = {
    state: 'starting',
    notice: null,
    startedAtMs: null,
    viewers: { flv: 0, hls: 0, rtmp: 0 },
  };
  /** Answers 503 to everything. */
  down = false;
  readonly #http: Server;
  readonly #udp: Socket;

  private constructor(http: Server, udp: Socket) {
    this.#http = http;
    this.#udp = udp;
    this.port = (http.address() as AddressInfo).port;
    this.ingest = { ip: '127.0.0.1', port: udp.address().port };
  }

  static async open(): Promise<FakeGateway> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const gateway = new FakeGateway(http, udp);
    udp.on('message', (packet) => gateway.#packet(packet));
    http.on('request', (request, response) => {
      void (async () => {
        const channel = /^\/internal\/channels\/([a-z0-9]+)\/broadcast$/.exec(request.url ?? '')?.[1] ?? '';
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        if (gateway.down) {
          response.writeHead(503).end();
        } else if (request.url === '/internal/decide') {
          const question = AccessQuestion.parse(JSON.parse(Buffer.concat(chunks).toString()));
          response.end(JSON.stringify(await gateway.decide(question)));
        } else if (request.method === 'DELETE') {
          gateway.ended.push(channel);
          response.end('{}');
        } else {
          const feed = BroadcastFeed.parse(JSON.parse(Buffer.concat(chunks).toString()));
          gateway.feeds.push({ channel, feed, atMs: Date.now() });
          const status: BroadcastStatus = {
            ...gateway.status,
            broadcast: feed.broadcast,
            diskTrouble: gateway.diskTrouble,
            recording: recordingOf('automatic', feed.recording?.choice),
            recordingMode: 'automatic',
            durationMs: 0,
            recordedMs: 0,
            waitEndsAtMs: null,
            ingest: gateway.ingest,
          };
          response.end(JSON.stringify(status));
        }
      })();
    });
    return gateway;
  }

  get latest(): BroadcastFeed | undefined {
    return this.feeds.at(-1)?.feed;
  }

  /** Asks for a key frame. */
  requestKeyFrame(ssrc: number): void {
    const from = this.latest?.from;
    if (from == null) throw new Error('nothing flows');
    this.#udp.send(writePictureLoss(1, ssrc), from.port, from.ip);
  }

  close(): void {
    this.#http.close();
    this.#http.closeAllConnections();
    this.#udp.close();
  }

  #packet(bytes: Buffer): void {
    if (isRtcp(bytes)) this.#rtcp(bytes);
    else this.#rtp(bytes);
  }

  #rtp(bytes: Buffer): void {
    const atMs = Date.now();
    const tracks = this.latest?.tracks ?? [];
    const captureId = tracks.find(({ ssrc }) => ssrc === peekSsrc(bytes))?.absCaptureTimeId;
    const packet = parseRtp(bytes, captureId);
    if (packet === undefined) return;
    const { ssrc, timestamp, payloadType, sequence } = packet;
    const nals = nalTypes(packet.payload);
    const seen = this.streams.get(ssrc) ?? {
      packets: 0,
      payloadType,
      first: { seq: sequence, timestamp, nal: nals[0] ?? -1, atMs },
      last: { timestamp, atMs },
      keys: new Set<number>(),
      withCaptureTime: 0,
      reports: [],
    };
    this.streams.set(ssrc, seen);
    seen.packets += 1;
    seen.last = { timestamp, atMs };
    if (packet.extension !== undefined) seen.withCaptureTime += 1;
    if (nals.includes(5)) seen.keys.add(timestamp);
  }

  #rtcp(bytes: Buffer): void {
    for (const { ssrc, ntpMs, rtpTimestamp } of readSenderReports(bytes)) {
      this.streams.get(ssrc)?.reports.push({ ntpMs, rtp: rtpTimestamp });
    }
  }
}

/** The NAL unit types in an H.264 RTP payload (RFC 6184 §5.2). */
function nalTypes(payload: Uint8Array): number[] {
  if (payload.length < 2) return [];
  const type = (payload[0] ?? 0) & 0x1f;
  // FU-A: the type of the unit that it is a piece of.
  if (type === 28) return [(payload[1] ?? 0) & 0x1f];
  if (type !== 24) return [type];
  const types: number[] = [];
  for (let at = 1; at + 2 < payload.length; at += 2 + readU16(payload, at)) {
    types.push((payload[at + 2] ?? 0) & 0x1f);
  }
  return types;
}
