// The one UDP port on which RTP and RTCP of every class arrive (rtcp-mux, RFC 5761). Streams are told
// apart by where they come from and by their SSRC; all else is counted and dropped at once.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isRtcp, readSenderReports } from '#shared/media/rtcp.ts';
import { peekSsrc } from '#shared/media/rtp.ts';
import type { FeedAddress } from '../../channel/sources.ts';
import type { IngestCounts } from '../metrics.ts';
import type { RtpReceiver } from './receiver.ts';

/** A key frame of every layer of a hundred classes at once. The system may grant less. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;
/** Waking up costs more than looking: arriving packets drive the clock, a timer only where none come. */
const TICK_MS = 40;
const QUIET_TICK_MS = 160;

interface Route {
  readonly from: FeedAddress;
  readonly receiver: RtpReceiver;
  /** The receiver broke; it gets nothing more. */
  readonly onError: (error: unknown) => void;
}

export interface RtpSocketOptions {
  readonly port: number;
  /** Where to listen. */
  readonly host: string;
  readonly counts: IngestCounts;
  /** Monotonic, in ms. */
  readonly nowMs: () => number;
  readonly onError: (error: Error) => void;
}

export class RtpSocket {
  readonly #socket: Socket;
  readonly #options: RtpSocketOptions;
  /** By SSRC; two SFUs may choose the same. */
  readonly #routes = new Map<number, Route[]>();
  readonly #timer: NodeJS.Timeout;
  #tickedAtMs = 0;
  #closed = false;

  private constructor(socket: Socket, options: RtpSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (bytes, from) => this.#datagram(bytes, from));
    socket.on('error', options.onError);
    this.#timer = setInterval(() => this.#tick(options.nowMs()), QUIET_TICK_MS);
  }

  /** Binds the port (0 picks a free one). Rejects with the system's error, e.g. EADDRINUSE. */
  static async open(options: RtpSocketOptions): Promise<RtpSocket> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES });
    socket.bind(options.port, options.host);
    try {
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    return new RtpSocket(socket, options);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /**
   * Hands `receiver` what comes from `from` with its SSRC, until it throws: `onError` is told, and the
   * others go on. Returns what ends that.
   */
  route(from: FeedAddress, receiver: RtpReceiver, onError: (error: unknown) => void): () => void {
    const route = { from, receiver, onError };
    const { ssrc } = receiver;
    this.#routes.set(ssrc, [...(this.#routes.get(ssrc) ?? []), route]);
    return () => this.#drop(route);
  }

  send(packet: Uint8Array, to: FeedAddress): void {
    if (this.#closed) return;
    // RTCP is repeated anyway: an address that cannot be reached is no reason to do anything.
    this.#socket.send(packet, to.port, to.ip, () => undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#routes.clear();
    this.#socket.close();
  }

  #datagram(bytes: Buffer, from: RemoteInfo): void {
    const nowMs = this.#options.nowMs();
    this.#take(bytes, from, nowMs);
    this.#tick(nowMs);
  }

  #take(bytes: Buffer, from: RemoteInfo, nowMs: number): void {
    if (isRtcp(bytes)) {
      for (const report of readSenderReports(bytes)) {
        const route = this.#find(report.ssrc, from);
        if (route !== undefined) this.#give(route, (receiver) => receiver.senderReport(report, nowMs));
      }
      return;
    }
    const ssrc = peekSsrc(bytes);
    const route = ssrc === undefined ? undefined : this.#find(ssrc, from);
    if (route === undefined) this.#options.counts.malformed += 1;
    else this.#give(route, (receiver) => receiver.rtp(bytes, nowMs));
  }

  #find(ssrc: number, from: RemoteInfo): Route | undefined {
    const routes = this.#routes.get(ssrc);
    return routes?.find((route) => route.from.port === from.port && route.from.ip === from.address);
  }

  /** All classes come through here: what one of them breaks, the others must not notice. */
  #give(route: Route, work: (receiver: RtpReceiver) => void): void {
    try {
      work(route.receiver);
    } catch (error) {
      this.#drop(route);
      route.onError(error);
    }
  }

  #drop(route: Route): void {
    const { ssrc } = route.receiver;
    const left = (this.#routes.get(ssrc) ?? []).filter((other) => other !== route);
    if (left.length === 0) this.#routes.delete(ssrc);
    else this.#routes.set(ssrc, left);
  }

  #tick(nowMs: number): void {
    if (nowMs - this.#tickedAtMs < TICK_MS) return;
    this.#tickedAtMs = nowMs;
    for (const routes of this.#routes.values()) {
      for (const route of routes) this.#give(route, (receiver) => receiver.tick(nowMs));
    }
  }
}
