// RTCP: sender reports in, picture loss indications and receiver reports out. RFC 3550 §6, RFC 4585 §6.3.
import { ntpToUnixMs } from './packet.ts';

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const PAYLOAD_SPECIFIC_FEEDBACK = 206;
const PLI = 1;
/** A compound packet of one datagram has no room for more. */
const MAX_PACKETS = 64;

/** What a sender report says of its stream's clock. */
export interface SenderReport {
  readonly ssrc: number;
  /** The sender's clock in ms since 1970, and the RTP timestamp of the same moment. */
  readonly ntpMs: number;
  readonly rtpTimestamp: number;
  /** The middle 32 bits of the NTP timestamp: a receiver report names the report by them. */
  readonly compactNtp: number;
}

/** Reads the sender reports of a compound packet. What is malformed ends the reading, quietly. */
export function readSenderReports(bytes: Buffer): SenderReport[] {
  const reports: SenderReport[] = [];
  let at = 0;
  for (let count = 0; count < MAX_PACKETS && at + 4 <= bytes.length; count += 1) {
    if (bytes.readUInt8(at) >> 6 !== 2) break;
    const end = at + (bytes.readUInt16BE(at + 2) + 1) * 4;
    if (end > bytes.length) break;
    if (bytes.readUInt8(at + 1) === SENDER_REPORT && end - at >= 28) {
      const seconds = bytes.readUInt32BE(at + 8);
      const fraction = bytes.readUInt32BE(at + 12);
      // A sender without a clock sends 0 (RFC 3550 §6.4.1).
      if (seconds !== 0) {
        reports.push({
          ssrc: bytes.readUInt32BE(at + 4),
          ntpMs: ntpToUnixMs(seconds, fraction),
          rtpTimestamp: bytes.readUInt32BE(at + 16),
          compactNtp: ((seconds & 0xffff) * 0x10000 + (fraction >>> 16)) >>> 0,
        });
      }
    }
    at = end;
  }
  return reports;
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

/** A receiver report with one block (RFC 3550 §6.4.2). */
export function receiverReport(report: ReceptionReport): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt8(0x81, 0);
  bytes.writeUInt8(RECEIVER_REPORT, 1);
  bytes.writeUInt16BE(7, 2);
  bytes.writeUInt32BE(report.own >>> 0, 4);
  bytes.writeUInt32BE(report.ssrc >>> 0, 8);
  bytes.writeUInt8(Math.min(255, Math.max(0, report.fractionLost)), 12);
  bytes.writeUIntBE(Math.min(0x7fffff, Math.max(0, report.totalLost)), 13, 3);
  bytes.writeUInt32BE(report.highestSequence >>> 0, 16);
  bytes.writeUInt32BE(report.jitter >>> 0, 20);
  bytes.writeUInt32BE(report.lastReport >>> 0, 24);
  bytes.writeUInt32BE(report.sinceLastReport >>> 0, 28);
  return bytes;
}

/** An empty receiver report, which a compound packet has to begin with, and a picture loss indication. */
export function pictureLoss(own: number, media: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt8(0x80, 0);
  bytes.writeUInt8(RECEIVER_REPORT, 1);
  bytes.writeUInt16BE(1, 2);
  bytes.writeUInt32BE(own >>> 0, 4);
  bytes.writeUInt8(0x80 | PLI, 8);
  bytes.writeUInt8(PAYLOAD_SPECIFIC_FEEDBACK, 9);
  bytes.writeUInt16BE(2, 10);
  bytes.writeUInt32BE(own >>> 0, 12);
  bytes.writeUInt32BE(media >>> 0, 16);
  return bytes;
}
