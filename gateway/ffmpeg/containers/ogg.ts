// Ogg with Opus in it, as ffmpeg writes it to a pipe: RFC 3533 §6 (pages), RFC 7845 §5 (the two headers).
import { MalformedError } from '#shared/media/bytes.ts';

const PAGE_HEADER_BYTES = 27;
const MAX_PACKET_BYTES = 64 * 1024;
const MARKERS = ['OpusHead', 'OpusTags'];

export class OggOpusReader {
  #pending: Buffer = Buffer.alloc(0);
  #packet: Buffer[] = [];
  #packetBytes = 0;
  /** Samples at 48 kHz that a decoder drops at the start: how late the encoder is. */
  preSkip = 0;

  /** Takes the next bytes; returns the packets that are complete now. Throws MalformedError. */
  readBytes(bytes: Buffer): Buffer[] {
    const data = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const packets: Buffer[] = [];
    let at = 0;
    for (;;) {
      const end = this.#page(data, at, packets);
      if (end === undefined) break;
      at = end;
    }
    this.#pending = Buffer.from(data.subarray(at));
    return packets;
  }

  /** Reads the page at `at`; returns where it ends, or undefined if it is not all there. */
  #page(data: Buffer, at: number, packets: Buffer[]): number | undefined {
    if (data.length - at < PAGE_HEADER_BYTES) return undefined;
    if (data.toString('latin1', at, at + 4) !== 'OggS') throw new MalformedError('not an Ogg page');
    const segments = data.readUInt8(at + 26);
    const tableEnd = at + PAGE_HEADER_BYTES + segments;
    if (data.length < tableEnd) return undefined;
    const table = data.subarray(at + PAGE_HEADER_BYTES, tableEnd);
    const end = tableEnd + table.reduce((sum, size) => sum + size, 0);
    if (data.length < end) return undefined;
    let from = tableEnd;
    for (const size of table) {
      this.#packet.push(data.subarray(from, from + size));
      this.#packetBytes += size;
      if (this.#packetBytes > MAX_PACKET_BYTES) throw new MalformedError('Ogg packet too long');
      from += size;
      // A segment of 255 bytes is followed by more of the same packet.
      if (size < 255) this.#finish(packets);
    }
    return end;
  }

  #finish(packets: Buffer[]): void {
    const packet = Buffer.concat(this.#packet);
    this.#packet = [];
    this.#packetBytes = 0;
    const marker = packet.toString('latin1', 0, 8);
    if (!MARKERS.includes(marker)) packets.push(packet);
    else if (marker === 'OpusHead' && packet.length >= 12) this.preSkip = packet.readUInt16LE(10);
  }
}
