// Speaks the gateway's internal contract and takes RTP, so that a test sees what the SFU sends.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AccessQuestion,
  BroadcastFeed,
  type AccessAnswer,
  type BroadcastStatus,
} from '#shared/contract/internal.ts';

/** What was seen under one SSRC. */
export interface Stream {
  packets: number;
  payloadType: number;
  first: { seq: number; timestamp: number; nal: number; atMs: number };
  last: { timestamp: number; atMs: number };
  /** RTP timestamps of pictures that hold an IDR slice. */
  keys: Set<number>;
  /** Widths from the SPS-free view: how many packets carried the capture clock. */
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
            durationMs: 0,
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

  /** Asks for a key frame: PLI (RFC 4585 §6.3.1). */
  requestKeyFrame(ssrc: number): void {
    const from = this.latest?.from;
    if (from == null) throw new Error('nothing flows');
    const packet = Buffer.alloc(12);
    packet.writeUInt8(0x81, 0);
    packet.writeUInt8(206, 1);
    packet.writeUInt16BE(2, 2);
    packet.writeUInt32BE(1, 4);
    packet.writeUInt32BE(ssrc, 8);
    this.#udp.send(packet, from.port, from.ip);
  }

  close(): void {
    this.#http.close();
    this.#http.closeAllConnections();
    this.#udp.close();
  }

  #packet(packet: Buffer): void {
    const type = packet.readUInt8(1);
    if (type >= 200 && type <= 206) this.#rtcp(packet);
    else this.#rtp(packet);
  }

  /** RFC 3550 §5.1, and RFC 6184 §5.2 for the payload. */
  #rtp(packet: Buffer): void {
    const atMs = Date.now();
    const ssrc = packet.readUInt32BE(8);
    const timestamp = packet.readUInt32BE(4);
    const payloadType = packet.readUInt8(1) & 0x7f;
    const hasExtension = (packet.readUInt8(0) & 0x10) !== 0;
    let start = 12 + 4 * (packet.readUInt8(0) & 0x0f);
    if (hasExtension) start += 4 + 4 * packet.readUInt16BE(start + 2);
    const payload = packet.subarray(start);
    const nals = nalTypes(payload);
    const seen = this.streams.get(ssrc) ?? {
      packets: 0,
      payloadType,
      first: { seq: packet.readUInt16BE(2), timestamp, nal: nals[0] ?? -1, atMs },
      last: { timestamp, atMs },
      keys: new Set<number>(),
      withCaptureTime: 0,
      reports: [],
    };
    this.streams.set(ssrc, seen);
    seen.packets += 1;
    seen.last = { timestamp, atMs };
    if (hasExtension) seen.withCaptureTime += 1;
    if (nals.includes(5)) seen.keys.add(timestamp);
  }

  #rtcp(packet: Buffer): void {
    for (let at = 0; at + 8 <= packet.length; at += 4 + 4 * packet.readUInt16BE(at + 2)) {
      if (packet.readUInt8(at + 1) !== 200) continue;
      const stream = this.streams.get(packet.readUInt32BE(at + 4));
      const seconds = packet.readUInt32BE(at + 8) - 2_208_988_800;
      const ntpMs = seconds * 1_000 + (packet.readUInt32BE(at + 12) / 2 ** 32) * 1_000;
      stream?.reports.push({ ntpMs, rtp: packet.readUInt32BE(at + 16) });
    }
  }
}

/** The NAL unit types in an H.264 RTP payload. */
function nalTypes(payload: Buffer): number[] {
  if (payload.length < 2) return [];
  const type = payload.readUInt8(0) & 0x1f;
  // FU-A: the type of the unit that it is a piece of.
  if (type === 28) return [payload.readUInt8(1) & 0x1f];
  if (type !== 24) return [type];
  const types: number[] = [];
  for (let at = 1; at + 2 < payload.length; at += 2 + payload.readUInt16BE(at)) {
    types.push(payload.readUInt8(at + 2) & 0x1f);
  }
  return types;
}
