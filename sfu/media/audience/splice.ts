// One stream out of many: packets of whatever source is the programme now go out under one SSRC, with
// sequence numbers and a clock that go on over each change, so that a player notices nothing but another
// picture. Pure.
import { RTP_HEADER_BYTES, sequenceDistance, writeRtp, type RtpPacket } from '#shared/media/rtp.ts';

/** A clock's offset is the least of the last windows of this length: it follows drift, not jitter. */
const WINDOW_MS = 5_000;

export interface SpliceOptions {
  readonly ssrc: number;
  readonly clockRate: number;
  /** Where the numbers begin. */
  readonly sequence: number;
  readonly timestamp: number;
}

interface Part {
  readonly source: unknown;
  /** The first sequence number of it that goes out. */
  readonly first: number;
  readonly sequenceShift: number;
  readonly timestampShift: number;
}

export class Splice {
  readonly #options: SpliceOptions;
  #part: Part | null = null;
  #unwrapped = 0;
  #unwrappedFrom: number | null = null;
  #last: { sequence: number; timestamp: number; atMs: number };
  /** The least of arrival time minus stream time in this window and the one before, in ms. */
  #offsets: { sinceMs: number; now: number; before: number } | null = null;

  constructor(options: SpliceOptions) {
    this.#options = options;
    this.#last = { sequence: options.sequence, timestamp: options.timestamp, atMs: -1 };
  }

  /**
   * The packet as it goes out under `payloadType`; null for one that is too late. A `source` that is
   * not that of the packet before begins where that one ended.
   */
  rewritePacket(source: unknown, packet: RtpPacket, payloadType: number, nowMs: number): Buffer | null {
    const known = this.#part;
    const part = known !== null && known.source === source ? known : this.#begin(source, packet, nowMs);
    // From before the change: there it would be mistaken for something that came after it.
    if (sequenceDistance(packet.sequence - part.first) < 0) return null;
    const sequence = (packet.sequence + part.sequenceShift) & 0xffff;
    const timestamp = (packet.timestamp + part.timestampShift) >>> 0;
    if (sequenceDistance(sequence - this.#last.sequence) > 0)
      this.#last = { sequence, timestamp, atMs: nowMs };
    this.#observe(timestamp, nowMs);
    const { marker, payload } = packet;
    return writeRtp(
      Buffer.allocUnsafe(RTP_HEADER_BYTES + payload.length),
      { payloadType, marker, sequence, timestamp, ssrc: this.#options.ssrc },
      payload,
    );
  }

  /** When, by this machine's clock, the stream's clock shows what; undefined before the first packet. */
  report(): { readonly wallMs: number; readonly timestamp: number } | undefined {
    const offsets = this.#offsets;
    if (offsets === null) return undefined;
    const { timestamp } = this.#last;
    return { wallMs: this.#streamMs(timestamp) + Math.min(offsets.now, offsets.before), timestamp };
  }

  #begin(source: unknown, packet: RtpPacket, nowMs: number): Part {
    const { sequence, timestamp, atMs } = this.#last;
    const { clockRate } = this.#options;
    // As much later as it is, but at least a little: two frames never share a time.
    const sinceMs = atMs < 0 ? 0 : Math.max(nowMs - atMs, 10);
    const next = timestamp + Math.round((sinceMs / 1_000) * clockRate);
    const part = {
      source,
      first: packet.sequence,
      sequenceShift: sequence + 1 - packet.sequence,
      timestampShift: next - packet.timestamp,
    };
    this.#part = part;
    this.#offsets = null;
    return part;
  }

  #observe(timestamp: number, nowMs: number): void {
    const offset = nowMs - this.#streamMs(timestamp);
    const known = this.#offsets;
    if (known === null) this.#offsets = { sinceMs: nowMs, now: offset, before: offset };
    else if (nowMs - known.sinceMs > WINDOW_MS) {
      this.#offsets = { sinceMs: nowMs, now: offset, before: known.now };
    } else known.now = Math.min(known.now, offset);
  }

  /** The stream's time in ms, unwrapped around the last packet. */
  #streamMs(timestamp: number): number {
    return (this.#unwrap(timestamp) / this.#options.clockRate) * 1_000;
  }

  #unwrap(timestamp: number): number {
    this.#unwrapped += this.#unwrappedFrom === null ? 0 : (timestamp - this.#unwrappedFrom) | 0;
    this.#unwrappedFrom = timestamp;
    return this.#unwrapped;
  }
}
