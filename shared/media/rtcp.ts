// RTCP: reports of senders and receivers (RFC 3550 §6), and what a receiver asks of a sender: what was lost
// (RFC 4585 §6.2.1) and key frames (PLI, RFC 4585 §6.3.1; FIR, RFC 5104 §4.3.1, which asks for the same here).
import { ByteWriter, readU16, readU32 } from './bytes.ts';
import { ntpToUnixMs, unixMsToNtp } from './clock.ts';

const VERSION = 2 << 6;
const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const TRANSPORT_FEEDBACK = 205;
const PAYLOAD_FEEDBACK = 206;
const NACK = 1;
const PLI = 1;
const FIR = 4;
const CNAME = 1;
/** A compound packet of one datagram has no room for more. */
const MAX_PACKETS = 64;
const MAX_LOST = 256;

/** What a sender report says of its stream's clock. */
export interface SenderReport {
  readonly ssrc: number;
  /** The sender's clock in ms since 1970, and the RTP timestamp of the same moment. */
  readonly ntpMs: number;
  readonly rtpTimestamp: number;
}

export interface ReceivedReport extends SenderReport {
  /** The middle 32 bits of the NTP timestamp: a receiver report names the report by them. */
  readonly compactNtp: number;
}

export interface SentReport extends SenderReport {
  /** Sent so far; `bytes` of payload. */
  readonly packets: number;
  readonly bytes: number;
}

export interface ReceptionReport {
  /** Who we are, and whom we report on. */
  readonly own: number;
  readonly ssrc: number;
  /** Lost since the report before, in 1/256. */
  readonly fractionLost: number;
  readonly totalLost: number;
  /** Extended: wraps in the upper 16 bits. */
  readonly highestSequence: number;
  /** In RTP ticks. */
  readonly jitter: number;
  /** The last sender report's `compactNtp`, and how long ago it came in 1/65536 s; 0 if none came. */
  readonly lastReport: number;
  readonly sinceLastReport: number;
}

/** What a receiver asks of a stream. */
export interface Feedback {
  readonly keyframe: boolean;
  /** Sequence numbers that never came. */
  readonly lost: readonly number[];
}

/** True if a packet on a port shared by RTP and RTCP is RTCP (RFC 5761 §4). */
export function isRtcp(bytes: Uint8Array): boolean {
  const type = bytes[1] ?? 0;
  return type >= 192 && type <= 223;
}

/** Reads the sender reports of a compound packet. */
export function readSenderReports(compound: Uint8Array): ReceivedReport[] {
  const reports: ReceivedReport[] = [];
  for (const { type, bytes } of packetsOf(compound)) {
    if (type !== SENDER_REPORT || bytes.length < 28) continue;
    const seconds = readU32(bytes, 8);
    const fraction = readU32(bytes, 12);
    // A sender without a clock sends 0 (RFC 3550 §6.4.1).
    if (seconds === 0) continue;
    reports.push({
      ssrc: readU32(bytes, 4),
      ntpMs: ntpToUnixMs(seconds, fraction),
      rtpTimestamp: readU32(bytes, 16),
      compactNtp: ((seconds << 16) | (fraction >>> 16)) >>> 0,
    });
  }
  return reports;
}

/** Reads what a compound packet asks of the stream `ssrc`. */
export function readFeedback(compound: Uint8Array, ssrc: number): Feedback {
  const lost: number[] = [];
  let keyframe = false;
  for (const { type, format, bytes } of packetsOf(compound)) {
    if (bytes.length < 12) continue;
    const isOfStream = readU32(bytes, 8) === ssrc;
    if (type === PAYLOAD_FEEDBACK && format === PLI && isOfStream) keyframe = true;
    if (type === PAYLOAD_FEEDBACK && format === FIR) keyframe ||= namesFir(bytes, ssrc);
    if (type === TRANSPORT_FEEDBACK && format === NACK && isOfStream) readNack(bytes, lost);
  }
  return { keyframe, lost };
}

/**
 * A sender report (RFC 3550 §6.4.1), and the name that says which streams belong together (§6.5), as every
 * compound packet has to hold it. `cname` is ASCII.
 */
export function writeSenderReport(report: SentReport, cname: string): Uint8Array {
  const { seconds, fraction } = unixMsToNtp(report.ntpMs);
  // One chunk: SSRC, the item, at least one zero, up to a whole word.
  const itemBytes = 2 + cname.length;
  const itemWords = Math.ceil((itemBytes + 1) / 4);
  return new ByteWriter(36 + itemWords * 4)
    .u8(VERSION) // no reception report blocks
    .u8(SENDER_REPORT)
    .u16(6) // length in words, less one
    .u32(report.ssrc) // SSRC of sender
    .u32(seconds) // NTP timestamp, most significant word
    .u32(fraction) // NTP timestamp, least significant word
    .u32(report.rtpTimestamp)
    .u32(report.packets) // sender's packet count
    .u32(report.bytes) // sender's octet count
    .u8(VERSION | 1) // one chunk
    .u8(SOURCE_DESCRIPTION)
    .u16(1 + itemWords) // length in words, less one
    .u32(report.ssrc)
    .u8(CNAME)
    .u8(cname.length)
    .latin1(cname)
    .zeros(itemWords * 4 - itemBytes)
    .finish();
}

/** A receiver report with one block (RFC 3550 §6.4.2). */
export function writeReceiverReport(report: ReceptionReport): Uint8Array {
  return new ByteWriter(32)
    .u8(VERSION | 1) // one reception report block
    .u8(RECEIVER_REPORT)
    .u16(7) // length in words, less one
    .u32(report.own) // SSRC of packet sender
    .u32(report.ssrc) // SSRC of the source that the block is about
    .u8(Math.min(255, Math.max(0, report.fractionLost)))
    .u24(Math.min(0x7fffff, Math.max(0, report.totalLost))) // cumulative number of packets lost
    .u32(report.highestSequence) // extended highest sequence number received
    .u32(report.jitter) // interarrival jitter
    .u32(report.lastReport) // last SR timestamp
    .u32(report.sinceLastReport) // delay since last SR
    .finish();
}

/** An empty receiver report, which a compound packet has to begin with, and a picture loss indication. */
export function writePictureLoss(own: number, media: number): Uint8Array {
  return new ByteWriter(20)
    .u8(VERSION) // no reception report blocks
    .u8(RECEIVER_REPORT)
    .u16(1) // length in words, less one
    .u32(own) // SSRC of packet sender
    .u8(VERSION | PLI)
    .u8(PAYLOAD_FEEDBACK)
    .u16(2) // length in words, less one
    .u32(own) // SSRC of packet sender
    .u32(media) // SSRC of media source
    .finish();
}

interface RtcpPacket {
  readonly type: number;
  /** Of feedback; of a report it is the number of its blocks. */
  readonly format: number;
  /** With its header: a view. */
  readonly bytes: Uint8Array;
}

/** The packets that a compound one is made of (RFC 3550 §6.1). What is malformed ends them, quietly. */
function* packetsOf(compound: Uint8Array): Generator<RtcpPacket> {
  let at = 0;
  for (let count = 0; count < MAX_PACKETS && at + 4 <= compound.length; count += 1) {
    const first = compound[at] ?? 0;
    const end = at + (readU16(compound, at + 2) + 1) * 4;
    if ((first & 0xc0) !== VERSION || end > compound.length) return;
    yield { type: compound[at + 1] ?? 0, format: first & 0x1f, bytes: compound.subarray(at, end) };
    at = end;
  }
}

/** A FIR names its streams in its entries. */
function namesFir(bytes: Uint8Array, ssrc: number): boolean {
  for (let at = 12; at + 8 <= bytes.length; at += 8) if (readU32(bytes, at) === ssrc) return true;
  return false;
}

/** A sequence number, and a bit for each of the sixteen behind it. */
function readNack(bytes: Uint8Array, lost: number[]): void {
  for (let at = 12; at + 4 <= bytes.length && lost.length < MAX_LOST; at += 4) {
    const first = readU16(bytes, at);
    const mask = readU16(bytes, at + 2);
    lost.push(first);
    for (let bit = 0; bit < 16; bit += 1) {
      if ((mask & (1 << bit)) !== 0) lost.push((first + 1 + bit) & 0xffff);
    }
  }
}
