// VP8 → H.264 for browsers that send no H.264: one ffmpeg per track, IVF in, FLV out. The only place in
// the live path where video is encoded again.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Unwrapper } from '#shared/media/clock.ts';
import { FlvDemuxer, parseVideoBody, videoFrameFromBody, type FlvTag } from '#shared/media/flv.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { CodedPicture } from './rtp/picture.ts';
import type { Vp8Config } from './rtp/vp8.ts';

const MISSING =
  'This browser sends VP8, which has to be transcoded, and ffmpeg was not found: install it ' +
  '(apt-get install ffmpeg) or set LECTERN_FFMPEG.';
const BROKEN = 'ffmpeg, which transcodes this browser’s VP8, ended again and again; see the log.';

const KEYFRAME_INTERVAL_S = 1;
/** Above this ffmpeg does not keep up; pictures wait no longer than this many bytes. */
const MAX_QUEUED_BYTES = 2 * 1024 * 1024;
/** Exits without a single picture in between, until it is given up. */
const MAX_FAILURES = 3;
const IVF_HEADER_BYTES = 32;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export interface TranscoderOptions {
  readonly ffmpeg: string;
  readonly clockRate: number;
  readonly onPicture: (picture: CodedPicture<AvcConfig>) => void;
  /** Pictures were dropped: only a key frame helps. */
  readonly onKeyframeNeeded: () => void;
  readonly onFailure: (reason: string) => void;
  readonly onLog: (line: string) => void;
}

/** What belongs to one ffmpeg: it is replaced when the size of the picture changes. */
interface Run {
  readonly child: Child;
  readonly size: Vp8Config;
  readonly firstTicks: number;
  pictures: number;
}

export class Transcoder {
  readonly #options: TranscoderOptions;
  #run: Run | undefined;
  #state: 'open' | 'failed' | 'closed' = 'open';
  #needsKey = true;
  #failures = 0;

  constructor(options: TranscoderOptions) {
    this.#options = options;
  }

  /** Takes the next VP8 frame. */
  push(picture: CodedPicture<Vp8Config>): void {
    if (this.#state !== 'open') return;
    if (this.#needsKey && !picture.key) {
      this.#options.onKeyframeNeeded();
      return;
    }
    if (this.#run?.size !== picture.config) {
      this.#stop();
      this.#run = this.#start(picture);
    }
    const { child, firstTicks } = this.#run;
    if (child.stdin.writableLength > MAX_QUEUED_BYTES) {
      this.#needsKey = true;
      return;
    }
    this.#needsKey = false;
    child.stdin.write(ivfFrame(picture.data, Math.round(this.#ms(picture.ticks - firstTicks))));
  }

  close(): void {
    this.#state = 'closed';
    this.#stop();
  }

  #ms(ticks: number): number {
    return (ticks * 1_000) / this.#options.clockRate;
  }

  #start(first: CodedPicture<Vp8Config>): Run {
    const child = spawn(
      this.#options.ffmpeg,
      [
        ...['-hide_banner', '-v', 'error', '-nostdin'],
        ...['-f', 'ivf', '-probesize', '32', '-analyzeduration', '0', '-i', 'pipe:0'],
        // One picture out for each one in, with its time: neither repeated nor dropped.
        ...['-an', '-fps_mode', 'passthrough', '-c:v', 'libx264', '-preset', 'veryfast'],
        ...['-tune', 'zerolatency', '-profile:v', 'main', '-bf', '0', '-pix_fmt', 'yuv420p', '-crf', '23'],
        ...['-maxrate', '3M', '-bufsize', '3M'],
        ...['-force_key_frames', `expr:gte(t,n_forced*${KEYFRAME_INTERVAL_S})`],
        ...['-f', 'flv', '-flvflags', 'no_duration_filesize', '-flush_packets', '1', 'pipe:1'],
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    const run: Run = { child, size: first.config, firstTicks: first.ticks, pictures: 0 };
    const demuxer = new FlvDemuxer();
    const unwrapper = new Unwrapper(32);
    const stream: { config: AvcConfig | undefined } = { config: undefined };
    child.stdout.on('data', (bytes: Buffer) => {
      if (this.#run !== run) return;
      try {
        for (const tag of demuxer.push(bytes)) this.#tag(run, tag, unwrapper, stream);
      } catch (error) {
        this.#options.onLog(`its output is damaged: ${String(error)}`);
        child.kill('SIGKILL');
      }
    });
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => this.#options.onLog(text.trim().slice(0, 500)));
    // The pipe breaks when ffmpeg ends; 'close' says so.
    child.stdin.on('error', () => undefined);
    child.on('error', (error: NodeJS.ErrnoException) => {
      this.#ended(run, error.code === 'ENOENT' || error.code === 'EACCES' ? MISSING : undefined);
    });
    child.on('close', () => this.#ended(run, undefined));
    child.stdin.write(ivfHeader(first.config));
    return run;
  }

  #tag(run: Run, tag: FlvTag, unwrapper: Unwrapper, stream: { config: AvcConfig | undefined }): void {
    if (tag.type !== 'video') return;
    const body = parseVideoBody(tag.body);
    if (body.type === 'config') stream.config = body.config;
    if (body.type !== 'frame' || stream.config === undefined) return;
    const timeMs = unwrapper.unwrap(tag.timestampMs);
    const frame = videoFrameFromBody(body, stream.config, timeMs * 1_000);
    if (frame === null) return;
    run.pictures += 1;
    this.#failures = 0;
    const ticks = run.firstTicks + Math.round((timeMs * this.#options.clockRate) / 1_000);
    // A view of what was read would keep all of it in memory.
    this.#options.onPicture({ ticks, key: frame.key, data: frame.data.slice(), config: frame.config });
  }

  #ended(run: Run, reason: string | undefined): void {
    if (this.#run !== run) return;
    this.#run = undefined;
    this.#needsKey = true;
    this.#failures += 1;
    if (reason === undefined && this.#failures < MAX_FAILURES) {
      this.#options.onKeyframeNeeded();
      return;
    }
    this.#state = 'failed';
    this.#options.onFailure(reason ?? BROKEN);
  }

  #stop(): void {
    const run = this.#run;
    this.#run = undefined;
    run?.child.kill('SIGKILL');
  }
}

/** IVF: a header with the time base of 1 ms, then frames behind 12 bytes of size and time. */
function ivfHeader({ width, height }: Vp8Config): Buffer {
  const header = Buffer.alloc(IVF_HEADER_BYTES);
  header.write('DKIF', 0, 'latin1');
  header.writeUInt16LE(IVF_HEADER_BYTES, 6);
  header.write('VP80', 8, 'latin1');
  header.writeUInt16LE(width, 12);
  header.writeUInt16LE(height, 14);
  header.writeUInt32LE(1_000, 16);
  header.writeUInt32LE(1, 20);
  return header;
}

function ivfFrame(data: Uint8Array, timeMs: number): Buffer {
  const frame = Buffer.allocUnsafe(12 + data.length);
  frame.writeUInt32LE(data.length, 0);
  frame.writeBigUInt64LE(BigInt(Math.max(0, timeMs)), 4);
  frame.set(data, 12);
  return frame;
}
