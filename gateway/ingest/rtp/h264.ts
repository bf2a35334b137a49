// H.264 out of RTP: RFC 6184, packetization modes 0 and 1 (single NAL unit, STAP-A, FU-A).
import { NAL } from '#shared/media/avc.ts';
import { ParameterSets } from '#shared/media/avc-sets.ts';
import { MalformedError, readU16 } from '#shared/media/bytes.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import {
  MAX_VIDEO_FRAME_BYTES,
  type CodedVideoFrame,
  type Depacketiser,
  type VideoPacket,
} from './depacketiser.ts';

/** Parameter sets that change between two frames. */
const MAX_CHANGED = 64;
const START = 0x80;
const END = 0x40;

/** A NAL unit as pieces: what FU-A took apart is joined only once, into the picture. */
interface Nal {
  readonly pieces: Uint8Array[];
  bytes: number;
}

export class H264Depacketiser implements Depacketiser {
  readonly #onFrame: (frame: CodedVideoFrame<AvcConfig>) => void;
  readonly #sets = new ParameterSets();
  /** Of the latest key frame. */
  #config: AvcConfig | undefined;
  /** Parameter sets that changed since: a picture that is no key frame has them before it. */
  #changed: Nal[] = [];
  #ticks: number | undefined;
  #nals: Nal[] = [];
  #bytes = 0;
  #key = false;
  #slices = 0;
  #firstSlice: Nal | undefined;
  /** The picture in hand lacks something. */
  #broken = false;
  /** Its first packets may be among what was lost; the parameter sets came with it. */
  #maybeHeadless = false;
  #described = false;
  /** The sender repeats the parameter sets with every key frame. */
  #alwaysDescribed = false;
  /** The NAL unit that FU-A packets are adding to. */
  #fragmented: Nal | undefined;
  #needsKey = true;

  constructor(onFrame: (frame: CodedVideoFrame<AvcConfig>) => void) {
    this.#onFrame = onFrame;
  }

  get needsKey(): boolean {
    return this.#needsKey;
  }

  addPacket(packet: VideoPacket, lost: number): void {
    if (lost > 0) {
      this.#needsKey = true;
      this.#broken = true;
      // A picture that had begun lacks its end; what begins now is looked at on its own.
      if (packet.ticks !== this.#ticks) {
        this.#begin(packet.ticks);
        this.#maybeHeadless = true;
      }
    }
    if (packet.ticks !== this.#ticks) {
      this.#finish();
      this.#begin(packet.ticks);
    }
    if (packet.payload.length > 0) this.#payload(packet.payload);
    if (packet.marker) {
      this.#finish();
      this.#begin(undefined);
    }
  }

  #begin(ticks: number | undefined): void {
    this.#ticks = ticks;
    this.#nals = [];
    this.#bytes = 0;
    this.#key = false;
    this.#slices = 0;
    this.#firstSlice = undefined;
    this.#broken = false;
    this.#maybeHeadless = false;
    this.#described = false;
    this.#fragmented = undefined;
  }

  #payload(payload: Uint8Array): void {
    const header = payload[0] ?? 0;
    const type = header & 0x1f;
    if (type === NAL.fuA) {
      this.#fragment(payload, header);
      return;
    }
    // A fragmented unit has to be complete before another comes.
    if (this.#fragmented !== undefined) this.#spoil();
    if (type === NAL.stapA) this.#aggregate(payload);
    else if (type >= NAL.slice && type < NAL.stapA) this.#whole(payload);
    else this.#spoil();
  }

  /** STAP-A, RFC 6184 §5.7.1. */
  #aggregate(payload: Uint8Array): void {
    let at = 1;
    while (at + 2 <= payload.length) {
      const length = readU16(payload, at);
      at += 2;
      if (length === 0 || at + length > payload.length) {
        this.#spoil();
        return;
      }
      this.#whole(payload.subarray(at, at + length));
      at += length;
    }
  }

  /** FU-A, RFC 6184 §5.8. */
  #fragment(payload: Uint8Array, indicator: number): void {
    const header = payload[1];
    if (header === undefined || payload.length < 3) {
      this.#spoil();
      return;
    }
    if ((header & START) !== 0) {
      if (this.#fragmented !== undefined) this.#spoil();
      const nalHeader = Uint8Array.of((indicator & 0xe0) | (header & 0x1f));
      this.#fragmented = { pieces: [nalHeader], bytes: 1 };
    }
    const nal = this.#fragmented;
    if (nal === undefined) {
      this.#spoil();
      return;
    }
    nal.pieces.push(payload.subarray(2));
    nal.bytes += payload.length - 2;
    if (this.#bytes + nal.bytes > MAX_VIDEO_FRAME_BYTES) {
      this.#fragmented = undefined;
      this.#spoil();
    }
    if ((header & END) === 0 || this.#fragmented === undefined) return;
    this.#fragmented = undefined;
    this.#add(nal, header & 0x1f, nal.pieces[1]?.[0]);
  }

  #whole(nal: Uint8Array): void {
    this.#add({ pieces: [nal], bytes: nal.length }, (nal[0] ?? 0) & 0x1f, nal[1]);
  }

  /** `second` is the byte after the header: in a slice it begins with first_mb_in_slice. */
  #add(nal: Nal, type: number, second: number | undefined): void {
    if (type === NAL.sps || type === NAL.pps) {
      this.#described = true;
      this.#parameters(join(nal));
      return;
    }
    if (type === NAL.aud || (type >= NAL.endOfSequence && type <= NAL.filler)) return;
    if (type >= NAL.slice && type <= NAL.idr) {
      // Exp-Golomb 0 is a single 1 bit: a picture that does not start with its first macroblock has
      // lost its first slice.
      if (this.#slices === 0 && ((second ?? 0) & 0x80) === 0) this.#spoil();
      this.#slices += 1;
      this.#firstSlice ??= nal;
      if (type === NAL.idr) this.#key = true;
    }
    this.#bytes += nal.bytes;
    if (this.#bytes > MAX_VIDEO_FRAME_BYTES) this.#spoil();
    else this.#nals.push(nal);
  }

  #parameters(nal: Uint8Array): void {
    try {
      if (!this.#sets.add(nal)) return;
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#spoil();
      return;
    }
    if (this.#changed.length >= MAX_CHANGED) this.#changed = [];
    this.#changed.push({ pieces: [Uint8Array.from(nal)], bytes: nal.length });
  }

  #spoil(): void {
    this.#broken = true;
    this.#needsKey = true;
    this.#fragmented = undefined;
  }

  #finish(): void {
    if (this.#ticks === undefined) return;
    if (this.#fragmented !== undefined) this.#spoil();
    if (this.#slices === 0) return;
    // It would be decoded by the parameter sets of before, and they may have changed with it.
    if (this.#maybeHeadless && this.#alwaysDescribed && !this.#described) this.#spoil();
    if (this.#broken || (this.#needsKey && !this.#key)) return;
    if (this.#key) this.#alwaysDescribed = this.#described;
    const config = this.#key ? this.#describe() : this.#config;
    if (config === undefined) {
      this.#needsKey = true;
      return;
    }
    this.#config = config;
    this.#needsKey = false;
    if (!this.#key) {
      for (const { bytes } of this.#changed) this.#bytes += bytes;
      this.#nals.unshift(...this.#changed);
    }
    this.#changed = [];
    this.#onFrame({ ticks: this.#ticks, key: this.#key, data: this.#lengthPrefixed(), config });
  }

  /** By the parameter sets that the picture names; the same object while nothing changes. */
  #describe(): AvcConfig | undefined {
    if (this.#firstSlice === undefined) return undefined;
    try {
      return this.#sets.configFor(headOf(this.#firstSlice));
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      return undefined;
    }
  }

  #lengthPrefixed(): Uint8Array {
    const data = Buffer.allocUnsafeSlow(this.#bytes + 4 * this.#nals.length);
    let at = 0;
    for (const { pieces, bytes } of this.#nals) {
      at = data.writeUInt32BE(bytes, at);
      for (const piece of pieces) {
        data.set(piece, at);
        at += piece.length;
      }
    }
    return data;
  }
}

function join({ pieces, bytes }: Nal): Uint8Array {
  const only = pieces[0];
  if (pieces.length === 1 && only !== undefined) return only;
  const joined = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** Enough of a slice to read which parameter sets it names. */
function headOf({ pieces, bytes }: Nal): Uint8Array {
  const [first, second] = pieces;
  if (first !== undefined && (first.length > 1 || second === undefined)) return first.subarray(0, 32);
  return join({
    pieces: [first ?? new Uint8Array(0), (second ?? new Uint8Array(0)).subarray(0, 32)],
    bytes: Math.min(bytes, 1 + Math.min(32, second?.length ?? 0)),
  });
}
