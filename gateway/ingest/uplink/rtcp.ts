// RTCP of a sender: reports out (RFC 3550 §6.4.1, with the name that §6.5 asks for), feedback in
// (RFC 4585 §6.2 generic NACK, §6.3 PLI; RFC 5104 §4.3.1 FIR, which asks for the same here).
import { NTP_UNIX_OFFSET_MS } from '../rtp/packet.ts';

const SENDER_REPORT = 200;
const SOURCE_DESCRIPTION = 202;
const TRANSPORT_FEEDBACK = 205;
const PAYLOAD_FEEDBACK = 206;
const NACK = 1;
const PLI = 1;
const FIR = 4;
const CNAME = 1;
/** A datagram holds no more; what is beyond is not read. */
const MAX_PACKETS = 32;
const MAX_LOST = 256;

export interface OwnReport {
  readonly ssrc: number;
  /** Since 1970, on the clock that all tracks of the publication share. */
  readonly wallMs: number;
  /** The RTP timestamp of that moment, wrapped. */
  readonly rtp: number;
  readonly packets: number;
  readonly bytes: number;
}

/** A sender report and the name that says which streams belong together. `cname` is ASCII. */
export function senderReport(report: OwnReport, cname: string): Buffer {
  const sr = Buffer.alloc(28);
  sr[0] = 0x80;
  sr[1] = SENDER_REPORT;
  sr.writeUInt16BE(6, 2);
  sr.writeUInt32BE(report.ssrc, 4);
  const ntpMs = report.wallMs + NTP_UNIX_OFFSET_MS;
  const seconds = Math.floor(ntpMs / 1_000);
  sr.writeUInt32BE(seconds % 2 ** 32, 8);
  sr.writeUInt32BE(Math.floor(((ntpMs - seconds * 1_000) / 1_000) * 2 ** 32), 12);
  sr.writeUInt32BE(report.rtp, 16);
  sr.writeUInt32BE(report.packets % 2 ** 32, 20);
  sr.writeUInt32BE(report.bytes % 2 ** 32, 24);
  // One chunk: SSRC, the item, at least one zero, up to a whole word.
  const sdes = Buffer.alloc(8 + Math.ceil((2 + cname.length + 1) / 4) * 4);
  sdes[0] = 0x81;
  sdes[1] = SOURCE_DESCRIPTION;
  sdes.writeUInt16BE(sdes.length / 4 - 1, 2);
  sdes.writeUInt32BE(report.ssrc, 4);
  sdes[8] = CNAME;
  sdes[9] = cname.length;
  sdes.write(cname, 10, 'latin1');
  return Buffer.concat([sr, sdes]);
}

/** What a receiver wants of the stream `ssrc`. */
export interface Wants {
  readonly keyframe: boolean;
  /** Sequence numbers that never came. */
  readonly lost: readonly number[];
}

/** Reads what a compound packet wants of `ssrc`. What is malformed ends the reading, quietly. */
export function readWants(bytes: Buffer, ssrc: number): Wants {
  const lost: number[] = [];
  let keyframe = false;
  let at = 0;
  for (let count = 0; count < MAX_PACKETS && at + 4 <= bytes.length; count += 1) {
    const end = at + (bytes.readUInt16BE(at + 2) + 1) * 4;
    if (bytes.readUInt8(at) >> 6 !== 2 || end > bytes.length) break;
    const format = bytes.readUInt8(at) & 0x1f;
    const type = bytes.readUInt8(at + 1);
    if (end - at >= 12) {
      const media = bytes.readUInt32BE(at + 8);
      if (type === PAYLOAD_FEEDBACK && format === PLI && media === ssrc) keyframe = true;
      if (type === PAYLOAD_FEEDBACK && format === FIR) keyframe ||= namesFir(bytes, at + 12, end, ssrc);
      if (type === TRANSPORT_FEEDBACK && format === NACK && media === ssrc) {
        readNack(bytes, at + 12, end, lost);
      }
    }
    at = end;
  }
  return { keyframe, lost };
}

/** A FIR names its streams in its entries. */
function namesFir(bytes: Buffer, from: number, end: number, ssrc: number): boolean {
  for (let at = from; at + 8 <= end; at += 8) if (bytes.readUInt32BE(at) === ssrc) return true;
  return false;
}

/** A sequence number, and a bit for each of the sixteen behind it. */
function readNack(bytes: Buffer, from: number, end: number, lost: number[]): void {
  for (let at = from; at + 4 <= end && lost.length < MAX_LOST; at += 4) {
    const first = bytes.readUInt16BE(at);
    const mask = bytes.readUInt16BE(at + 2);
    lost.push(first);
    for (let bit = 0; bit < 16; bit += 1) {
      if ((mask & (1 << bit)) !== 0) lost.push((first + 1 + bit) & 0xffff);
    }
  }
}
