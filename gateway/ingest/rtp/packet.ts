// RTP packets: RFC 3550 §5.1, header extensions RFC 8285, and the one extension that is of use here.

/** Seconds between 1900 (NTP) and 1970 (Unix). */
const NTP_UNIX_OFFSET_S = 2_208_988_800;
/** The same in ms. */
export const NTP_UNIX_OFFSET_MS = NTP_UNIX_OFFSET_S * 1_000;
const TWO_32 = 2 ** 32;

/** When the media of a packet was captured (draft-ietf-avtcore-abs-capture-time). */
export interface CaptureTime {
  /** On the capturing system's clock, in ms since 1970. */
  readonly ntpMs: number;
  /** That clock minus the clock of whoever sent the packet to us; undefined in the short form. */
  readonly offsetMs: number | undefined;
}

export interface RtpPacket {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly capture: CaptureTime | undefined;
  /** A view; empty in probes and padding. */
  readonly payload: Uint8Array;
}

/** The SSRC of what may be an RTP packet, without looking further; undefined if it cannot be one. */
export function peekSsrc(bytes: Buffer): number | undefined {
  return bytes.length >= 12 && bytes.readUInt8(0) >> 6 === 2 ? bytes.readUInt32BE(8) : undefined;
}

/** True if a packet on a port shared by RTP and RTCP is RTCP (RFC 5761 §4). */
export function isRtcp(bytes: Buffer): boolean {
  const type = bytes.length >= 2 ? bytes.readUInt8(1) : 0;
  return type >= 192 && type <= 223;
}

/**
 * Parses a packet; undefined if it is malformed. `captureId` is the id under which abs-capture-time was
 * negotiated, if it was.
 */
export function parseRtp(bytes: Buffer, captureId?: number): RtpPacket | undefined {
  if (bytes.length < 12) return undefined;
  const first = bytes.readUInt8(0);
  if (first >> 6 !== 2) return undefined;
  let at = 12 + (first & 0x0f) * 4;
  let end = bytes.length;
  let capture: CaptureTime | undefined;
  if ((first & 0x10) !== 0) {
    if (at + 4 > end) return undefined;
    const profile = bytes.readUInt16BE(at);
    const start = at + 4;
    at = start + bytes.readUInt16BE(at + 2) * 4;
    if (at > end) return undefined;
    if (captureId !== undefined) capture = readCaptureTime(bytes, start, at, profile, captureId);
  }
  if ((first & 0x20) !== 0) {
    const padding = bytes.readUInt8(end - 1);
    if (padding === 0 || at + padding > end) return undefined;
    end -= padding;
  }
  if (at > end) return undefined;
  const second = bytes.readUInt8(1);
  return {
    payloadType: second & 0x7f,
    marker: (second & 0x80) !== 0,
    sequence: bytes.readUInt16BE(2),
    timestamp: bytes.readUInt32BE(4),
    ssrc: bytes.readUInt32BE(8),
    capture,
    payload: bytes.subarray(at, end),
  };
}

/** An NTP timestamp of 32.32 bits in ms since 1970. */
export function ntpToUnixMs(seconds: number, fraction: number): number {
  return (seconds - NTP_UNIX_OFFSET_S) * 1_000 + (fraction * 1_000) / TWO_32;
}

/** Looks for the element `id` (RFC 8285 §4.2 one-byte form, §4.3 two-byte form). */
function readCaptureTime(
  bytes: Buffer,
  start: number,
  end: number,
  profile: number,
  id: number,
): CaptureTime | undefined {
  const oneByte = profile === 0xbede;
  if (!oneByte && profile >> 4 !== 0x100) return undefined;
  let at = start;
  while (at < end) {
    const head = bytes.readUInt8(at);
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
      length = bytes.readUInt8(at + 1);
      at += 2;
    }
    if (at + length > end) return undefined;
    if (found === id) return length === 8 || length === 16 ? captureTimeAt(bytes, at, length) : undefined;
    at += length;
  }
  return undefined;
}

function captureTimeAt(bytes: Buffer, at: number, length: number): CaptureTime {
  return {
    ntpMs: ntpToUnixMs(bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)),
    offsetMs:
      length === 16
        ? bytes.readInt32BE(at + 8) * 1_000 + (bytes.readUInt32BE(at + 12) * 1_000) / TWO_32
        : undefined,
  };
}
