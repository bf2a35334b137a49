// IVF, in which ffmpeg takes VP8: a header, then frames behind their size and time.
import type { Vp8Config } from '../../ingest/rtp/vp8.ts';
import type { Container } from '../transcoder.ts';

const HEADER_BYTES = 32;

/** With a time base of 1 ms. */
export const ivf: Container<Vp8Config> = {
  format: 'ivf',
  header({ width, height }) {
    const header = Buffer.alloc(HEADER_BYTES);
    header.write('DKIF', 0, 'latin1');
    header.writeUInt16LE(HEADER_BYTES, 6);
    header.write('VP80', 8, 'latin1');
    header.writeUInt16LE(width, 12);
    header.writeUInt16LE(height, 14);
    header.writeUInt32LE(1_000, 16);
    header.writeUInt32LE(1, 20);
    return header;
  },
  writeFrame({ data }, timeMs) {
    const frame = Buffer.allocUnsafe(12 + data.length);
    frame.writeUInt32LE(data.length, 0);
    frame.writeBigUInt64LE(BigInt(Math.max(0, timeMs)), 4);
    frame.set(data, 12);
    return frame;
  },
};
