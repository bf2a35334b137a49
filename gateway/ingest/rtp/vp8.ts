// VP8 out of RTP: RFC 7741. Whole frames only, for the transcoder.
import {
  MAX_VIDEO_FRAME_BYTES,
  type CodedVideoFrame,
  type Depacketiser,
  type VideoPacket,
} from './depacketiser.ts';

export interface Vp8Config {
  readonly width: number;
  readonly height: number;
}

export class Vp8Depacketiser implements Depacketiser {
  readonly #onFrame: (frame: CodedVideoFrame<Vp8Config>) => void;
  #config: Vp8Config | undefined;
  #ticks: number | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #needsKey = true;

  constructor(onFrame: (frame: CodedVideoFrame<Vp8Config>) => void) {
    this.#onFrame = onFrame;
  }

  get needsKey(): boolean {
    return this.#needsKey;
  }

  addPacket(packet: VideoPacket, lost: number): void {
    if (lost > 0) this.#drop();
    if (packet.ticks !== this.#ticks) {
      // The marker closes every frame, so one that is still open lacks its end.
      if (this.#pieces.length > 0) this.#drop();
      this.#ticks = packet.ticks;
    }
    if (packet.payload.length > 0) this.#payload(packet.payload);
    if (packet.marker) this.#finish();
  }

  #payload(payload: Uint8Array): void {
    const descriptor = readDescriptor(payload);
    if (descriptor === undefined) {
      this.#drop();
      return;
    }
    if (descriptor.start ? this.#pieces.length > 0 : this.#pieces.length === 0) {
      this.#drop();
      return;
    }
    this.#pieces.push(payload.subarray(descriptor.bytes));
    this.#bytes += payload.length - descriptor.bytes;
    if (this.#bytes > MAX_VIDEO_FRAME_BYTES) this.#drop();
  }

  #drop(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#needsKey = true;
  }

  #finish(): void {
    const pieces = this.#pieces;
    if (this.#ticks === undefined || pieces.length === 0) return;
    const data = Buffer.concat(pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    // RFC 7741 §4.3: the P bit is clear in a key frame.
    const key = ((data[0] ?? 1) & 1) === 0;
    if (key) this.#config = this.#size(data);
    if (this.#config === undefined || (this.#needsKey && !key)) return;
    this.#needsKey = false;
    this.#onFrame({ ticks: this.#ticks, key, data, config: this.#config });
  }

  /** The size in a key frame's header (RFC 6386 §9.1); the same object while it is the same. */
  #size(data: Buffer): Vp8Config | undefined {
    if (data.length < 10 || data.readUIntBE(3, 3) !== 0x9d012a) return undefined;
    const width = data.readUInt16LE(6) & 0x3fff;
    const height = data.readUInt16LE(8) & 0x3fff;
    if (width === 0 || height === 0) return undefined;
    const known = this.#config;
    return known?.width === width && known.height === height ? known : { width, height };
  }
}

/** The payload descriptor, RFC 7741 §4.2: its length, and whether a frame starts behind it. */
function readDescriptor(payload: Uint8Array): { bytes: number; start: boolean } | undefined {
  const first = payload[0] ?? 0;
  let bytes = 1;
  if ((first & 0x80) !== 0) {
    const extension = payload[1] ?? 0;
    bytes = 2;
    if ((extension & 0x80) !== 0) bytes += ((payload[bytes] ?? 0) & 0x80) !== 0 ? 2 : 1;
    if ((extension & 0x40) !== 0) bytes += 1;
    if ((extension & 0x30) !== 0) bytes += 1;
  }
  if (bytes >= payload.length) return undefined;
  return { bytes, start: (first & 0x10) !== 0 && (first & 0x07) === 0 };
}
