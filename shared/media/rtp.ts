// RTP packets: RFC 3550 §5.1, with header extensions (RFC 8285) and one of them, abs-capture-time.
import { readU16, readU32 } from './bytes.ts';
import { ntpToUnixMs } from './clock.ts';

/** Without contributing sources and extensions. */
export const RTP_HEADER_BYTES = 12;
const VERSION = 2;
const HAS_PADDING = 0x20;
const HAS_EXTENSION = 0x10;
const MARKER = 0x80;
/** The profiles of an extension that is a list of elements; the lowest four bits of the second are free. */
const ONE_BYTE_HEADS = 0xbede;
const TWO_BYTE_HEADS = 0x1000;

export interface RtpHeader {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
}

export interface RtpPacket extends RtpHeader {
  /** The header extension that was asked for, if the packet has it: a view. */
  readonly extension: Uint8Array | undefined;
  /** A view; empty in probes and padding. */
  readonly payload: Uint8Array;
}

/** When the media of a packet was captured (draft-ietf-avtcore-abs-capture-time). */
export interface CaptureTime {
  /** On the capturing system's clock, in ms since 1970. */
  readonly ntpMs: number;
  /** That clock minus the clock of the one who sent the packet to us; undefined in the short form. */
  readonly offsetMs: number | undefined;
}

/** The SSRC of what may be an RTP packet, without looking further; undefined if it cannot be one. */
export function peekSsrc(bytes: Uint8Array): number | undefined {
  return isLongEnough(bytes) ? readU32(bytes, 8) : undefined;
}

/**
 * Parses a packet; undefined if it is malformed. `extensionId` is the number of the one header extension
 * that is of interest, as it was negotiated.
 */
export function parseRtp(bytes: Uint8Array, extensionId?: number): RtpPacket | undefined {
  if (!isLongEnough(bytes)) return undefined;
  const first = bytes[0] ?? 0;
  const second = bytes[1] ?? 0;
  let at = RTP_HEADER_BYTES + (first & 0x0f) * 4;
  let end = bytes.length;
  let extension: Uint8Array | undefined;
  if ((first & HAS_EXTENSION) !== 0) {
    if (at + 4 > end) return undefined;
    const profile = readU16(bytes, at);
    const start = at + 4;
    at = start + readU16(bytes, at + 2) * 4;
    if (at > end) return undefined;
    if (extensionId !== undefined) extension = findExtension(bytes, start, at, profile, extensionId);
  }
  if ((first & HAS_PADDING) !== 0) {
    const padding = bytes[end - 1] ?? 0;
    if (padding === 0 || at + padding > end) return undefined;
    end -= padding;
  }
  if (at > end) return undefined;
  return {
    payloadType: second & 0x7f,
    marker: (second & MARKER) !== 0,
    sequence: readU16(bytes, 2),
    timestamp: readU32(bytes, 4),
    ssrc: readU32(bytes, 8),
    extension,
    payload: bytes.subarray(at, end),
  };
}

/**
 * Writes a packet into `packet`, which has room for header and payload, and returns it. Sequence number
 * and timestamp may be beyond their bits and are wrapped.
 */
export function writeRtp<B extends Uint8Array>(packet: B, header: RtpHeader, payload: Uint8Array): B {
  const { marker, payloadType, sequence, timestamp, ssrc } = header;
  packet[0] = VERSION << 6;
  packet[1] = (marker ? MARKER : 0) | payloadType;
  packet[2] = sequence >>> 8;
  packet[3] = sequence;
  writeU32(packet, 4, timestamp);
  writeU32(packet, 8, ssrc);
  packet.set(payload, RTP_HEADER_BYTES);
  return packet;
}

/** The element abs-capture-time; undefined if it is not as long as one is. */
export function readCaptureTime(element: Uint8Array): CaptureTime | undefined {
  if (element.length !== 8 && element.length !== 16) return undefined;
  return {
    ntpMs: ntpToUnixMs(readU32(element, 0), readU32(element, 4)),
    // Q32.32, of which the upper half has the sign.
    offsetMs:
      element.length === 16
        ? (readU32(element, 8) | 0) * 1_000 + (readU32(element, 12) * 1_000) / 2 ** 32
        : undefined,
  };
}

/** A difference of sequence numbers as the nearest distance, -32768 … 32767. */
export const sequenceDistance = (difference: number): number => (difference << 16) >> 16;

const isLongEnough = (bytes: Uint8Array): boolean =>
  bytes.length >= RTP_HEADER_BYTES && (bytes[0] ?? 0) >> 6 === VERSION;

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value >>> 0;
}

/** Looks for the element `id` (RFC 8285 §4.2 one-byte form, §4.3 two-byte form). */
function findExtension(
  bytes: Uint8Array,
  start: number,
  end: number,
  profile: number,
  id: number,
): Uint8Array | undefined {
  const oneByte = profile === ONE_BYTE_HEADS;
  if (!oneByte && (profile & 0xfff0) !== TWO_BYTE_HEADS) return undefined;
  let at = start;
  while (at < end) {
    const head = bytes[at] ?? 0;
    if (head === 0) {
      at += 1;
      continue;
    }
    let found: number;
    let length: number;
    if (oneByte) {
      found = head >> 4;
      if (found === 15) return undefined;
      length = (head & 0x0f) + 1;
      at += 1;
    } else {
      if (at + 2 > end) return undefined;
      found = head;
      length = bytes[at + 1] ?? 0;
      at += 2;
    }
    if (at + length > end) return undefined;
    if (found === id) return bytes.subarray(at, at + length);
    at += length;
  }
  return undefined;
}
