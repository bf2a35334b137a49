// NAL units of H.264 and their two framings (ITU-T H.264 §7.4.1 and annex B, ISO/IEC 14496-15 §5.3.4.2).
import { ByteReader, ByteWriter, MalformedError } from './bytes.ts';

/** NAL unit types (ITU-T H.264 table 7-1), and those that RTP adds (RFC 6184 §5.2). */
export const NAL = {
  slice: 1,
  partitionA: 2,
  idr: 5,
  sei: 6,
  sps: 7,
  pps: 8,
  aud: 9,
  endOfSequence: 10,
  endOfStream: 11,
  filler: 12,
  stapA: 24,
  fuA: 28,
} as const;

/** Types that are of no use to a receiver, or that stand in the configuration. */
export const LEFT_OUT: ReadonlySet<number> = new Set([
  NAL.sps,
  NAL.pps,
  NAL.aud,
  NAL.filler,
  NAL.endOfSequence,
  NAL.endOfStream,
]);

/** The type of a NAL unit; -1 if it is empty. */
export function nalType(nal: Uint8Array): number {
  const header = nal[0];
  return header === undefined ? -1 : header & 0x1f;
}

/** Splits a byte stream with start codes (Annex B) into NAL units, as views without their codes. */
export function splitAnnexB(bytes: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let start = -1;
  const push = (end: number) => {
    if (start < 0) return;
    let last = end;
    while (last > start && bytes[last - 1] === 0) last -= 1;
    if (last > start) nals.push(bytes.subarray(start, last));
  };
  let i = bytes.indexOf(1, 2);
  while (i >= 0) {
    if (bytes[i - 1] === 0 && bytes[i - 2] === 0) {
      push(i - 2);
      start = i + 1;
    }
    i = bytes.indexOf(1, i + 1);
  }
  push(bytes.length);
  return nals;
}

/**
 * True if NAL units in `bytes` are told apart by start codes, though lengths of `lengthBytes` were to be
 * expected: some encoders send what they made as it is.
 */
export function hasStartCode(bytes: Uint8Array, lengthBytes: 1 | 2 | 3 | 4): boolean {
  if (bytes[0] !== 0 || bytes[1] !== 0) return false;
  if (bytes[2] !== 1 && (bytes[2] !== 0 || bytes[3] !== 1)) return false;
  // A length of one, or of 256 and more, looks the same, but then the lengths fit.
  try {
    readAvcc(bytes, lengthBytes);
    return false;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return true;
  }
}

/**
 * Splits NAL units that each stand behind their length, as views.
 * Throws MalformedError if a length points past the end.
 */
export function readAvcc(bytes: Uint8Array, lengthBytes: 1 | 2 | 3 | 4 = 4): Uint8Array[] {
  const reader = new ByteReader(bytes);
  const nals: Uint8Array[] = [];
  while (reader.remaining > 0) {
    let length = 0;
    for (let i = 0; i < lengthBytes; i += 1) length = length * 256 + reader.u8();
    const nal = reader.bytes(length);
    if (length > 0) nals.push(nal);
  }
  return nals;
}

/** Puts each NAL unit behind its length in four bytes. */
export function writeAvcc(nals: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const nal of nals) size += 4 + nal.length;
  const writer = new ByteWriter(size);
  for (const nal of nals) writer.u32(nal.length).bytes(nal);
  return writer.finish();
}

/** Puts a start code in front of each NAL unit (annex B). */
export function writeAnnexB(nals: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(nals.reduce((size, nal) => size + 4 + nal.length, 0));
  for (const nal of nals) writer.u32(1).bytes(nal);
  return writer.finish();
}

/** Removes the emulation prevention bytes of a NAL unit (§7.4.1). */
export function unescapeNal(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  let length = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[length] = byte;
    length += 1;
  }
  return out.subarray(0, length);
}
