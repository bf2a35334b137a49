// The little of RTP and RTCP (RFC 3550) that splicing needs. Pure.

export interface RtpPacket {
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payload: Buffer;
  /** One-byte header extensions (RFC 8285 §4.2) by id. */
  readonly extensions: ReadonlyMap<number, Buffer>;
}

/** From 1900, where NTP begins, to 1970, in seconds. */
const NTP_TO_UNIX_S = 2_208_988_800;
const ONE_BYTE = 0xbede;

/** Reads a packet; undefined for one that is none. */
export function readRtp(packet: Buffer): RtpPacket | undefined {
  if (packet.length < 12 || packet.readUInt8(0) >> 6 !== 2) return undefined;
  const first = packet.readUInt8(0);
  let at = 12 + 4 * (first & 0x0f);
  let extensions: ReadonlyMap<number, Buffer> = new Map();
  if ((first & 0x10) !== 0) {
    if (at + 4 > packet.length) return undefined;
    const end = at + 4 + 4 * packet.readUInt16BE(at + 2);
    if (packet.readUInt16BE(at) === ONE_BYTE) extensions = readExtensions(packet.subarray(at + 4, end));
    at = end;
  }
  const padding = (first & 0x20) === 0 ? 0 : packet.readUInt8(packet.length - 1);
  if (at + padding > packet.length) return undefined;
  return {
    marker: (packet.readUInt8(1) & 0x80) !== 0,
    sequence: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    payload: packet.subarray(at, packet.length - padding),
    extensions,
  };
}

function readExtensions(block: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at < block.length;) {
    const head = block.readUInt8(at);
    const id = head >> 4;
    if (id === 15) break;
    const length = (head & 0x0f) + 1;
    if (id !== 0) found.set(id, block.subarray(at + 1, at + 1 + length));
    at += id === 0 ? 1 : 1 + length;
  }
  return found;
}

/** Writes a packet without extensions. */
export function writeRtp(
  { marker, payload }: Pick<RtpPacket, 'marker' | 'payload'>,
  header: { payloadType: number; sequence: number; timestamp: number; ssrc: number },
): Buffer {
  const packet = Buffer.allocUnsafe(12 + payload.length);
  packet.writeUInt8(0x80, 0);
  packet.writeUInt8((marker ? 0x80 : 0) | header.payloadType, 1);
  packet.writeUInt16BE(header.sequence, 2);
  packet.writeUInt32BE(header.timestamp, 4);
  packet.writeUInt32BE(header.ssrc, 8);
  payload.copy(packet, 12);
  return packet;
}

/** A sender report (RFC 3550 §6.4.1): at `wallMs` (since 1970) the stream's clock showed `timestamp`. */
export function writeSenderReport(ssrc: number, wallMs: number, timestamp: number): Buffer {
  const packet = Buffer.alloc(28);
  packet.writeUInt8(0x80, 0);
  packet.writeUInt8(200, 1);
  packet.writeUInt16BE(6, 2);
  packet.writeUInt32BE(ssrc, 4);
  packet.writeUInt32BE((Math.floor(wallMs / 1_000) + NTP_TO_UNIX_S) >>> 0, 8);
  packet.writeUInt32BE(Math.floor(((wallMs % 1_000) / 1_000) * 2 ** 32), 12);
  packet.writeUInt32BE(timestamp, 16);
  return packet;
}

/** True if a compound packet asks for a key frame: PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1). */
export function asksForKeyFrame(compound: Buffer): boolean {
  for (let at = 0; at + 4 <= compound.length; at += 4 + 4 * compound.readUInt16BE(at + 2)) {
    const format = compound.readUInt8(at) & 0x1f;
    if (compound.readUInt8(at + 1) === 206 && (format === 1 || format === 4)) return true;
  }
  return false;
}
