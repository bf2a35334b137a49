// The way from a publication to the SFU: RTP and sender reports out of one UDP socket, and what comes
// back on it. Its SSRCs, sequence numbers and clock belong to the channel, not to a connection: who
// returns goes on where it stopped.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import type { EncoderTrack } from '#shared/contract/internal.ts';
import { isRtcp, readFeedback, writeSenderReport } from '#shared/media/rtcp.ts';
import { parseRtp, RTP_HEADER_BYTES, writeRtp } from '#shared/media/rtp.ts';
import { packetiseH264 } from './packetise.ts';

const PAYLOAD_TYPE = { video: 96, audio: 97 } as const;
const TICKS_PER_US = { video: 0.09, audio: 0.048 } as const;
/** A key frame at once would not fit into the socket buffer of the receiver. */
const BURST_PACKETS = 24;
const BURST_EVERY_MS = 1;
/** Beyond this the picture is far behind the network, and only a key frame helps. */
const MAX_QUEUED_PACKETS = 20_000;
/** How many packets of each track are kept for who missed one: a second of 10 Mbit/s. */
const KEPT_PACKETS = 1_024;
const FILLER = Uint8Array.of(0x0c, 0xff, 0x80);
/**
 * A receiver measures how far our clock is from its own by the median of several reports, and goes by
 * mere arrival until it has them; so the first follow each other closely.
 */
const FIRST_REPORTS = 12;
const FIRST_REPORTS_EVERY_MS = 20;
const REPORT_EVERY_MS = 1_000;

export interface UplinkEvents {
  keyframeWanted(): void;
  /** The socket failed, e.g. nobody listens there: what is sent gets lost, and a new place may be told. */
  failed(error: Error): void;
}

interface Stream {
  readonly kind: 'audio' | 'video';
  readonly ssrc: number;
  readonly firstTicks: number;
  readonly kept: (Buffer | undefined)[];
  sequence: number;
  packets: number;
  bytes: number;
  reports: number;
  reportedAtMs: number;
}

/** The timeline of a publication. */
export interface RtpTimeline {
  /** When it began, in ms since 1970. */
  readonly epochMs: number;
  /** How much of it has passed, in µs. */
  readonly nowUs: () => number;
}

export class Uplink {
  readonly #socket: Socket;
  readonly #events: UplinkEvents;
  readonly #timeline: RtpTimeline;
  readonly #cname: string;
  readonly #video = stream('video');
  readonly #audio = stream('audio');
  #to: { ip: string; port: number } | undefined;
  #queue: Buffer[] = [];
  #sent = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(socket: Socket, cname: string, timeline: RtpTimeline, events: UplinkEvents) {
    this.#socket = socket;
    this.#cname = cname;
    this.#timeline = timeline;
    this.#events = events;
    socket.on('message', (bytes, from) => this.#feedback(bytes, from));
    socket.on('error', (error) => events.failed(error));
  }

  /** Opens it on a free port. `cname` is the name that all its streams share. */
  static async open(cname: string, timeline: RtpTimeline, events: UplinkEvents): Promise<Uplink> {
    const socket = createSocket('udp4');
    socket.bind(0);
    try {
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    return new Uplink(socket, cname, timeline, events);
  }

  /** How the SFU is told of a track. */
  track(kind: 'audio' | 'video'): EncoderTrack {
    const { ssrc } = kind === 'video' ? this.#video : this.#audio;
    const payloadType = PAYLOAD_TYPE[kind];
    return kind === 'video'
      ? { kind, codec: 'h264', ssrc, payloadType, clockRate: 90_000 }
      : { kind, codec: 'opus', ssrc, payloadType, clockRate: 48_000, channels: 2 };
  }

  /** Where it goes to from now on. */
  sendTo(to: { ip: string; port: number }): void {
    if (this.#to?.ip === to.ip && this.#to.port === to.port) return;
    this.#to = to;
    // The one that is there now knows nothing of our clock.
    this.#video.reports = 0;
    this.#audio.reports = 0;
  }

  /**
   * Sends one access unit of `ptsUs` on the timeline, parameter sets before a key frame included.
   * Returns false if it was dropped, because too much waits to be sent.
   */
  sendVideo(nals: readonly Uint8Array[], ptsUs: number): boolean {
    if (this.#queue.length - this.#sent > MAX_QUEUED_PACKETS) return false;
    const payloads = packetiseH264(nals);
    payloads.forEach((payload, index) => {
      this.#queue.push(this.#packetOf(this.#video, ptsUs, payload, index === payloads.length - 1));
    });
    if (this.#timer === undefined) this.#flush();
    return true;
  }

  /**
   * Makes the picture's stream known before its first picture: until a packet came, an SFU has nobody to
   * ask for a key frame. It is a NAL unit that every decoder skips (filler data).
   */
  prime(ptsUs: number): void {
    this.#video.reports = 0;
    this.#send(this.#packetOf(this.#video, ptsUs, FILLER, true));
    this.#reportSoon(this.#video);
  }

  /** Sends one Opus packet. */
  sendAudio(data: Uint8Array, ptsUs: number): void {
    const packet = this.#packetOf(this.#audio, ptsUs, data, false);
    // Behind what waits: after a stall seconds of sound come at once as well.
    if (this.#timer !== undefined) this.#queue.push(packet);
    else this.#send(packet);
    this.#reportSoon(this.#audio);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#queue = [];
    this.#socket.close();
  }

  #packetOf(track: Stream, ptsUs: number, payload: Uint8Array, marker: boolean): Buffer {
    const ticks = track.firstTicks + Math.round(ptsUs * TICKS_PER_US[track.kind]);
    const packet = writeRtp(
      Buffer.allocUnsafe(RTP_HEADER_BYTES + payload.length),
      {
        payloadType: PAYLOAD_TYPE[track.kind],
        sequence: track.sequence,
        timestamp: ticks,
        ssrc: track.ssrc,
        marker,
      },
      payload,
    );
    track.kept[track.sequence % KEPT_PACKETS] = packet;
    track.sequence = (track.sequence + 1) & 0xffff;
    track.packets += 1;
    track.bytes += payload.length;
    return packet;
  }

  /** To be called after each packet: a receiver takes reports of streams only that it knows. */
  #reportSoon(track: Stream): void {
    const nowMs = performance.now();
    const everyMs = track.reports < FIRST_REPORTS ? FIRST_REPORTS_EVERY_MS : REPORT_EVERY_MS;
    if (track.reports > 0 && nowMs - track.reportedAtMs < everyMs) return;
    track.reportedAtMs = nowMs;
    track.reports += 1;
    const nowUs = this.#timeline.nowUs();
    const report = {
      ssrc: track.ssrc,
      ntpMs: this.#timeline.epochMs + nowUs / 1_000,
      rtpTimestamp: track.firstTicks + Math.round(nowUs * TICKS_PER_US[track.kind]),
      packets: track.packets,
      bytes: track.bytes,
    };
    this.#send(writeSenderReport(report, this.#cname));
  }

  #flush(): void {
    this.#timer = undefined;
    const end = Math.min(this.#queue.length, this.#sent + BURST_PACKETS);
    for (; this.#sent < end; this.#sent += 1) {
      const packet = this.#queue[this.#sent];
      if (packet !== undefined) this.#send(packet);
    }
    this.#reportSoon(this.#video);
    if (this.#sent < this.#queue.length) {
      this.#timer = setTimeout(() => this.#flush(), BURST_EVERY_MS);
    } else {
      this.#queue = [];
      this.#sent = 0;
    }
  }

  #send(packet: Uint8Array): void {
    if (this.#to === undefined || this.#closed) return;
    this.#socket.send(packet, this.#to.port, this.#to.ip, (error) => {
      if (error !== null && !this.#closed) this.#events.failed(error);
    });
  }

  #feedback(bytes: Buffer, from: RemoteInfo): void {
    if (from.port !== this.#to?.port || from.address !== this.#to.ip || !isRtcp(bytes)) return;
    for (const track of [this.#video, this.#audio]) {
      const { keyframe, lost } = readFeedback(bytes, track.ssrc);
      if (keyframe) this.#events.keyframeWanted();
      for (const sequence of lost) {
        const packet = track.kept[sequence % KEPT_PACKETS];
        if (packet !== undefined && parseRtp(packet)?.sequence === sequence) this.#send(packet);
      }
    }
  }
}

function stream(kind: Stream['kind']): Stream {
  return {
    kind,
    ssrc: randomInt(1, 2 ** 32),
    firstTicks: randomInt(0, 2 ** 32),
    kept: new Array<Buffer | undefined>(KEPT_PACKETS),
    sequence: randomInt(0, 2 ** 15),
    packets: 0,
    bytes: 0,
    reports: 0,
    reportedAtMs: -Infinity,
  };
}
