// One RTP stream of one track: reorder, depacketise, ask for what is missing, report on what came.
import type { FeedTrack } from '#shared/contract/internal.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import { writePictureLoss, writeReceiverReport, type ReceivedReport } from '#shared/media/rtcp.ts';
import { parseRtp, readCaptureTime, type RtpPacket } from '#shared/media/rtp.ts';
import type { TrackClock } from '../clock.ts';
import type { IngestCounts } from '../metrics.ts';
import { H264Depacketiser } from './h264.ts';
import type { CodedVideoFrame, Depacketiser } from './depacketiser.ts';
import { ReorderBuffer } from './reorder.ts';
import { Vp8Depacketiser, type Vp8Config } from './vp8.ts';

/** How long a missing packet is waited for: a retransmission on the sender's uplink takes this long. */
const WAIT_MS = { video: 150, audio: 80 } as const;
const KEYFRAME_INTERVAL_MS = 500;
const REPORT_INTERVAL_MS = 1_000;

/** What a stream gives: coded video frames, or Opus packets. */
export type StreamUnit =
  | { readonly kind: 'h264'; readonly frame: CodedVideoFrame<AvcConfig> }
  | { readonly kind: 'vp8'; readonly frame: CodedVideoFrame<Vp8Config> }
  | { readonly kind: 'opus'; readonly ticks: number; readonly data: Uint8Array };

export interface ReceiverOptions {
  readonly track: FeedTrack;
  readonly clock: TrackClock;
  readonly counts: IngestCounts;
  /** The SSRC that our reports and requests come from. */
  readonly ownSsrc: number;
  readonly onUnit: (unit: StreamUnit) => void;
  /** Sends RTCP to where the stream comes from. */
  readonly send: (packet: Uint8Array) => void;
}

interface Queued {
  readonly sequence: number;
  readonly ticks: number;
  readonly packet: RtpPacket;
}

export class RtpReceiver {
  readonly #options: ReceiverOptions;
  readonly #buffer: ReorderBuffer<Queued>;
  readonly #depacketiser: Depacketiser | undefined;
  /** Somebody wants a key frame that has not been asked for yet. */
  #keyframeWanted = false;
  #keyframeAtMs = -Infinity;
  /** How many packets had come when the last request was sent. */
  #receivedAtRequest = -1;
  #reportedAtMs = -Infinity;
  #received = 0;
  #receivedBefore = 0;
  #firstSequence = 0;
  #highestBefore = 0;
  #transit: number | undefined;
  #jitterTicks = 0;
  #lastReport: { compactNtp: number; atMs: number } | undefined;
  #counted = { lost: 0, late: 0, duplicates: 0 };

  constructor(options: ReceiverOptions) {
    this.#options = options;
    const { track, onUnit } = options;
    if (track.codec === 'h264') {
      this.#depacketiser = new H264Depacketiser((frame) => this.#emitFrame({ kind: 'h264', frame }));
    } else if (track.codec === 'vp8') {
      this.#depacketiser = new Vp8Depacketiser((frame) => this.#emitFrame({ kind: 'vp8', frame }));
    }
    this.#buffer = new ReorderBuffer<Queued>({
      waitMs: WAIT_MS[track.kind],
      deliver: ({ ticks, packet }, lost) => {
        if (this.#depacketiser !== undefined) {
          this.#depacketiser.addPacket({ ticks, marker: packet.marker, payload: packet.payload }, lost);
        } else if (packet.payload.length > 0) {
          options.counts.sounds += 1;
          onUnit({ kind: 'opus', ticks, data: packet.payload });
        }
      },
    });
  }

  get ssrc(): number {
    return this.#options.track.ssrc;
  }

  /** Takes a datagram that bears this stream's SSRC. */
  rtp(bytes: Buffer, nowMs: number): void {
    const { track, clock, counts } = this.#options;
    const packet = parseRtp(bytes, track.absCaptureTimeId);
    if (packet?.payloadType !== track.payloadType) {
      counts.malformed += 1;
      return;
    }
    counts.packets += 1;
    counts.bytes += bytes.length;
    const capture = packet.extension === undefined ? undefined : readCaptureTime(packet.extension);
    const ticks = clock.arrived(packet.timestamp, capture, nowMs);
    if (this.#received === 0) this.#firstSequence = packet.sequence;
    this.#received += 1;
    this.#measureJitter(ticks, nowMs);
    this.#buffer.addPacket({ sequence: packet.sequence, ticks, packet }, nowMs);
    if (this.#depacketiser?.needsKey === true) this.#sendKeyframeRequest(nowMs);
  }

  senderReport(report: ReceivedReport, nowMs: number): void {
    this.#lastReport = { compactNtp: report.compactNtp, atMs: nowMs };
    this.#options.clock.relayReport(report.rtpTimestamp, report.ntpMs, nowMs);
  }

  /**
   * Asks for a key frame, at once or as soon as the last request is 500 ms old. A stream that sends
   * nothing is asked only once: at the SFU every request for a sleeping layer is one for all layers.
   */
  requestKeyframe(nowMs: number): void {
    if (this.#depacketiser === undefined) return;
    this.#keyframeWanted = true;
    this.#sendKeyframeRequest(nowMs);
  }

  /** Call every few tens of ms. */
  tick(nowMs: number): void {
    this.#buffer.tick(nowMs);
    this.#sendKeyframeRequest(nowMs);
    if (this.#received > 0 && nowMs - this.#reportedAtMs >= REPORT_INTERVAL_MS) this.#report(nowMs);
  }

  #emitFrame(unit: Extract<StreamUnit, { kind: 'h264' | 'vp8' }>): void {
    if (unit.frame.key) this.#keyframeWanted = false;
    this.#options.counts.pictures += 1;
    this.#options.onUnit(unit);
  }

  #sendKeyframeRequest(nowMs: number): void {
    // As long as one is needed it is asked for again: a request may get lost, or what answers it.
    if (!this.#keyframeWanted && this.#depacketiser?.needsKey !== true) return;
    if (nowMs - this.#keyframeAtMs < KEYFRAME_INTERVAL_MS) return;
    if (this.#received === this.#receivedAtRequest) return;
    this.#receivedAtRequest = this.#received;
    this.#keyframeWanted = false;
    this.#keyframeAtMs = nowMs;
    this.#options.counts.keyframeRequests += 1;
    this.#options.send(writePictureLoss(this.#options.ownSsrc, this.ssrc));
  }

  /** RFC 3550 §A.8. */
  #measureJitter(ticks: number, nowMs: number): void {
    const transit = (nowMs * this.#options.track.clockRate) / 1_000 - ticks;
    if (this.#transit !== undefined) {
      this.#jitterTicks += (Math.abs(transit - this.#transit) - this.#jitterTicks) / 16;
    }
    this.#transit = transit;
  }

  /** RFC 3550 §A.3, and the counters for the metrics. */
  #report(nowMs: number): void {
    const buffer = this.#buffer;
    const expected = buffer.highest - this.#firstSequence + 1;
    const expectedNow = buffer.highest - this.#highestBefore;
    const receivedNow = this.#received - this.#receivedBefore;
    const lostNow = this.#highestBefore === 0 ? 0 : expectedNow - receivedNow;
    this.#highestBefore = buffer.highest;
    this.#receivedBefore = this.#received;
    this.#reportedAtMs = nowMs;
    this.#count();
    const last = this.#lastReport;
    this.#options.send(
      writeReceiverReport({
        own: this.#options.ownSsrc,
        ssrc: this.ssrc,
        fractionLost: expectedNow > 0 ? Math.floor((Math.max(0, lostNow) * 256) / expectedNow) : 0,
        totalLost: expected - this.#received,
        highestSequence: buffer.highest,
        jitter: Math.round(this.#jitterTicks),
        lastReport: last?.compactNtp ?? 0,
        sinceLastReport: last === undefined ? 0 : Math.round(((nowMs - last.atMs) * 65_536) / 1_000),
      }),
    );
  }

  #count(): void {
    const { counts } = this.#options;
    const { lost, late, duplicates } = this.#buffer;
    counts.lost += lost - this.#counted.lost;
    counts.late += late - this.#counted.late;
    counts.duplicates += duplicates - this.#counted.duplicates;
    this.#counted = { lost, late, duplicates };
  }
}
