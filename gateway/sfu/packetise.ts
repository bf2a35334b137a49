// H.264 access units as payloads of RTP: RFC 6184 (packetization-mode 1).
import { NAL } from '#shared/media/avc.ts';

/** Of a packet's payload. With all headers it stays below 1,280 bytes, which every path carries. */
export const MAX_PAYLOAD_BYTES = 1_200;
const STAP_LENGTH_BYTES = 2;
const FU_HEADER_BYTES = 2;

/**
 * Puts the NAL units of one access unit into payloads: small neighbours together (STAP-A §5.7.1), large
 * ones in pieces (FU-A §5.8), the others as they are. The last payload is the one with the marker.
 */
export function packetiseH264(nals: readonly Uint8Array[], maxBytes = MAX_PAYLOAD_BYTES): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  let together: Uint8Array[] = [];
  let togetherBytes = 1;
  const flush = () => {
    const [only] = together;
    if (only !== undefined) payloads.push(together.length === 1 ? only : stapA(together, togetherBytes));
    together = [];
    togetherBytes = 1;
  };
  for (const nal of nals) {
    if (nal.length === 0) continue;
    if (togetherBytes + STAP_LENGTH_BYTES + nal.length > maxBytes) flush();
    if (nal.length > maxBytes) {
      payloads.push(...fuA(nal, maxBytes));
    } else if (1 + STAP_LENGTH_BYTES + nal.length > maxBytes) {
      payloads.push(nal);
    } else {
      together.push(nal);
      togetherBytes += STAP_LENGTH_BYTES + nal.length;
    }
  }
  flush();
  return payloads;
}

function stapA(nals: readonly Uint8Array[], bytes: number): Uint8Array {
  const payload = new Uint8Array(bytes);
  let importance = 0;
  let at = 1;
  for (const nal of nals) {
    importance = Math.max(importance, (nal[0] ?? 0) & 0x60);
    payload[at] = nal.length >> 8;
    payload[at + 1] = nal.length & 0xff;
    payload.set(nal, at + STAP_LENGTH_BYTES);
    at += STAP_LENGTH_BYTES + nal.length;
  }
  payload[0] = importance | NAL.stapA;
  return payload;
}

function fuA(nal: Uint8Array, maxBytes: number): Uint8Array[] {
  const head = nal[0] ?? 0;
  const pieces: Uint8Array[] = [];
  const room = maxBytes - FU_HEADER_BYTES;
  // Pieces of even size: the last is not a packet for a few bytes.
  const count = Math.ceil((nal.length - 1) / room);
  const size = Math.ceil((nal.length - 1) / count);
  for (let at = 1; at < nal.length; at += size) {
    const part = nal.subarray(at, at + size);
    const piece = new Uint8Array(FU_HEADER_BYTES + part.length);
    piece[0] = (head & 0xe0) | NAL.fuA;
    piece[1] = (at === 1 ? 0x80 : 0) | (at + size >= nal.length ? 0x40 : 0) | (head & 0x1f);
    piece.set(part, FU_HEADER_BYTES);
    pieces.push(piece);
  }
  return pieces;
}
