// Video of a track as H.264: no B-frames, a key frame every two seconds and whenever one is wanted.
import { CaptureClock } from '../../engine/encoded/capture-clock.ts';
import { Pace } from '../../engine/encoded/pace.ts';
import type { PublishLink } from '../../engine/encoded/publish-link.ts';
import { FrameReader } from './frame-reader.ts';

const KEY_EVERY_US = 2_000_000;
/** Requests for key frames that come this soon after one are served by it. */
const KEY_FRESH_US = 300_000;
const MAX_FPS = 30;
/** Frames that the encoder has not finished: more mean that this computer is too slow. */
const MAX_QUEUED = 2;
const MAX_WIDTH = 1_920;
const MAX_HEIGHT = 1_080;
/** Up to this many pixels constrained baseline of level 3.1 is enough, beyond it is 4.0 (table A-1). */
const LEVEL_31_PIXELS = 1_280 * 720;
/** While nothing is shown a black picture is sent this often, in ms, so that viewers see that. */
const BLACK_EVERY_MS = 500;
const BPS = { camera: 2_500_000, screen: 3_000_000 } as const;

type Size = { readonly width: number; readonly height: number };

export interface VideoEncodingOptions {
  readonly link: () => PublishLink | undefined;
  /** Now, in µs, on the clock that audio has too. */
  readonly nowUs: () => number;
  /** This browser cannot encode. */
  readonly onFailed: () => void;
}

/** Owns the encoder and whatever stream is read. `close()` is idempotent. */
export class VideoEncoding {
  readonly pace = new Pace(BPS.camera);
  readonly #options: VideoEncodingOptions;
  readonly #clock = new CaptureClock('video');
  readonly #frames = new FrameReader<VideoFrame>((frame) => this.#encodeFrame(frame));
  #encoder: VideoEncoder | undefined;
  #black: ReturnType<typeof setInterval> | undefined;
  #size: Size | undefined;
  #bps = 0;
  #wantsKey = true;
  #keyAtUs = -Infinity;
  #lastUs = -Infinity;
  #record: Uint8Array | undefined;
  #sentRecord: Uint8Array | undefined;
  #closed = false;

  constructor(options: VideoEncodingOptions) {
    this.#options = options;
  }

  /** Sends these frames from now on; null shows black where something was shown. */
  show(frames: ReadableStream<VideoFrame> | null, source: 'camera' | 'screen'): void {
    clearInterval(this.#black);
    this.#clock.restart();
    this.#frames.read(frames);
    if (frames === null) {
      this.#black = setInterval(() => this.#pushBlack(), BLACK_EVERY_MS);
      return;
    }
    this.pace.maxBps = BPS[source];
  }

  /** A new connection knows nothing of what was sent before. */
  restart(): void {
    this.pace.reset();
    this.#sentRecord = undefined;
    this.#wantsKey = true;
    this.#keyAtUs = -Infinity;
  }

  wantKey(): void {
    if (this.#options.nowUs() - this.#keyAtUs > KEY_FRESH_US) this.#wantsKey = true;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#black);
    this.#frames.close();
    if (this.#encoder !== undefined && this.#encoder.state !== 'closed') this.#encoder.close();
  }

  #pushBlack(): void {
    if (this.#size === undefined || this.#closed) return;
    const { width, height } = this.#size;
    const luma = width * height;
    const pixels = new Uint8Array(luma * 1.5);
    pixels.fill(16, 0, luma);
    pixels.fill(128, luma);
    const timestamp = Math.round(this.#options.nowUs());
    const frame = new VideoFrame(pixels, {
      format: 'I420',
      codedWidth: width,
      codedHeight: height,
      timestamp,
    });
    this.#encodeFrame(frame);
    frame.close();
  }

  #encodeFrame(frame: VideoFrame): void {
    const nowUs = this.#options.nowUs();
    this.#clock.arrived(frame.timestamp, nowUs);
    const link = this.#options.link();
    if (link?.state !== 'open') return;
    if (!this.pace.admitFrame(link.waitingBytes, nowUs / 1_000)) {
      this.#wantsKey = true;
      return;
    }
    const ptsUs = Math.round(this.#clock.at(frame.timestamp));
    // A little early is in time: capture jitters.
    if (ptsUs - this.#lastUs < 900_000 / MAX_FPS) return;
    const size = sizeOf(frame);
    this.#configure(size);
    const encoder = this.#encoder;
    if (encoder?.state !== 'configured' || encoder.encodeQueueSize > MAX_QUEUED) return;
    this.#lastUs = ptsUs;
    const key = this.#wantsKey || nowUs - this.#keyAtUs >= KEY_EVERY_US;
    if (key) {
      this.#wantsKey = false;
      this.#keyAtUs = nowUs;
    }
    const timed = new VideoFrame(frame, { timestamp: ptsUs, ...evenRect(frame, size) });
    encoder.encode(timed, { keyFrame: key });
    timed.close();
  }

  #configure(size: Size): void {
    if (this.#encoder?.state === 'closed') this.#encoder = undefined;
    const sameSize = size.width === this.#size?.width && size.height === this.#size.height;
    if (this.#encoder !== undefined && sameSize && this.pace.bps === this.#bps) return;
    this.#encoder ??= new VideoEncoder({
      output: (chunk, metadata) => this.#encoded(chunk, metadata),
      error: () => this.#failed(),
    });
    if (!sameSize) this.#wantsKey = true;
    this.#size = size;
    this.#bps = this.pace.bps;
    this.#encoder.configure({
      codec: size.width * size.height <= LEVEL_31_PIXELS ? 'avc1.42e01f' : 'avc1.42e028',
      ...size,
      bitrate: this.#bps,
      framerate: MAX_FPS,
      latencyMode: 'realtime',
      avc: { format: 'avc' },
    });
  }

  #encoded(chunk: EncodedVideoChunk, metadata: EncodedVideoChunkMetadata | undefined): void {
    const description = metadata?.decoderConfig?.description;
    if (description !== undefined) this.#record = bytesOf(description);
    const link = this.#options.link();
    // While frames are skipped, those that were under way are left out too: the next is a key frame.
    if (link?.state !== 'open' || this.#record === undefined || this.pace.state === 'skipping') return;
    const key = chunk.type === 'key';
    if (this.#sentRecord === undefined && !key) return;
    if (this.#record !== this.#sentRecord) {
      this.#sentRecord = this.#record;
      link.send({ kind: 'video-config', codec: 'h264', data: this.#record });
    }
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    link.send({ kind: 'video', ptsUs: chunk.timestamp, key, data });
  }

  #failed(): void {
    if (this.#closed) return;
    // An encoder in hardware may be taken away; a new one is tried as long as the first ever worked.
    if (this.#record === undefined) this.#options.onFailed();
    this.#encoder = undefined;
    this.#size = undefined;
    this.#wantsKey = true;
  }
}

/** What a frame is encoded as: even, and no larger than full HD. */
function sizeOf({ displayWidth, displayHeight }: VideoFrame): Size {
  const scale = Math.min(1, MAX_WIDTH / displayWidth, MAX_HEIGHT / displayHeight);
  const even = (side: number) => Math.max(2, Math.floor((side * scale) / 2) * 2);
  return { width: even(displayWidth), height: even(displayHeight) };
}

/** H.264 of 4:2:0 has even sides: of a picture that is not scaled anyway, one row or column is cut off. */
function evenRect(frame: VideoFrame, size: Size): Pick<VideoFrameInit, 'visibleRect'> {
  const { visibleRect, displayWidth, displayHeight } = frame;
  const isCut = displayWidth - size.width === 1 || displayHeight - size.height === 1;
  if (!isCut || visibleRect === null || visibleRect.width !== displayWidth) return {};
  return { visibleRect: { x: visibleRect.x, y: visibleRect.y, ...size } };
}

function bytesOf(source: AllowSharedBufferSource): Uint8Array {
  const view = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
  return new Uint8Array(view);
}
