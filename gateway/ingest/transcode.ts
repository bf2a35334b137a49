// Anything → H.264 without B-frames: one ffmpeg per track, a container in, FLV out. The only place in the
// live path where video is encoded again.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Unwrapper } from '#shared/media/clock.ts';
import { FlvDemuxer, parseVideoBody, videoFrameFromBody, type FlvTag } from '#shared/media/flv.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { CodedPicture } from './rtp/picture.ts';

const KEYFRAME_INTERVAL_S = 1;
/** Above this ffmpeg does not keep up; pictures wait no longer than this many bytes. */
const MAX_QUEUED_BYTES = 2 * 1024 * 1024;
/** Exits without a single picture in between, until it is given up. */
const MAX_FAILURES = 3;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** How pictures are put into a byte stream that ffmpeg reads. Times are ms from the first picture. */
export interface Container<Config> {
  /** ffmpeg's name of it. */
  readonly format: string;
  /** What ffmpeg is told about reading it. */
  readonly options?: readonly string[];
  header(config: Config): Buffer;
  frame(picture: CodedPicture<Config>, timeMs: number): Buffer;
}

export interface TranscoderOptions<Config> {
  readonly ffmpeg: string;
  readonly clockRate: number;
  /** What comes in, for the sentences a person reads, e.g. `VP8`. */
  readonly what: string;
  readonly container: Container<Config>;
  /** ffmpeg's filters on the way, e.g. `scale=…`. */
  readonly filters?: string;
  /** Of H.264; `main` unless stated. */
  readonly profile?: 'baseline' | 'main';
  readonly maxKbps?: number;
  readonly onPicture: (picture: CodedPicture<AvcConfig>) => void;
  /** Pictures were dropped: only a key frame helps. */
  readonly onKeyframeNeeded: () => void;
  readonly onFailure: (reason: string) => void;
  readonly onLog: (line: string) => void;
}

/** What belongs to one ffmpeg: it is replaced when the configuration changes. */
interface Run<Config> {
  readonly child: Child;
  readonly config: Config;
  readonly firstTicks: number;
  pictures: number;
}

export class Transcoder<Config> {
  readonly #options: TranscoderOptions<Config>;
  #run: Run<Config> | undefined;
  #state: 'open' | 'failed' | 'closed' = 'open';
  #needsKey = true;
  #failures = 0;

  constructor(options: TranscoderOptions<Config>) {
    this.#options = options;
  }

  /** Takes the next picture, in decoding order. Those of one configuration carry the same object. */
  push(picture: CodedPicture<Config>): void {
    if (this.#state !== 'open') return;
    if (this.#needsKey && !picture.key) {
      this.#options.onKeyframeNeeded();
      return;
    }
    if (this.#run?.config !== picture.config) {
      this.#stop();
      this.#run = this.#start(picture);
    }
    const { child, firstTicks } = this.#run;
    if (child.stdin.writableLength > MAX_QUEUED_BYTES) {
      this.#needsKey = true;
      return;
    }
    this.#needsKey = false;
    child.stdin.write(
      this.#options.container.frame(picture, Math.round(this.#ms(picture.ticks - firstTicks))),
    );
  }

  close(): void {
    this.#state = 'closed';
    this.#stop();
  }

  #ms(ticks: number): number {
    return (ticks * 1_000) / this.#options.clockRate;
  }

  #start(first: CodedPicture<Config>): Run<Config> {
    const { container, filters, profile = 'main', maxKbps = 3_000 } = this.#options;
    const child = spawn(
      this.#options.ffmpeg,
      [
        ...['-hide_banner', '-v', 'error', '-nostdin'],
        ...(container.options ?? []),
        ...['-f', container.format, '-probesize', '32', '-analyzeduration', '0', '-i', 'pipe:0'],
        // One picture out for each one in, with its time: neither repeated nor dropped.
        ...(filters === undefined ? [] : ['-vf', filters]),
        ...['-an', '-fps_mode', 'passthrough', '-c:v', 'libx264', '-preset', 'veryfast'],
        ...['-tune', 'zerolatency', '-profile:v', profile, '-bf', '0', '-pix_fmt', 'yuv420p', '-crf', '23'],
        ...['-maxrate', `${maxKbps}k`, '-bufsize', `${maxKbps}k`],
        ...['-force_key_frames', `expr:gte(t,n_forced*${KEYFRAME_INTERVAL_S})`],
        ...['-f', 'flv', '-flvflags', 'no_duration_filesize', '-flush_packets', '1', 'pipe:1'],
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    const run: Run<Config> = { child, config: first.config, firstTicks: first.ticks, pictures: 0 };
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
      this.#ended(run, error.code === 'ENOENT' || error.code === 'EACCES' ? this.#missing : undefined);
    });
    child.on('close', () => this.#ended(run, undefined));
    child.stdin.write(container.header(first.config));
    return run;
  }

  #tag(run: Run<Config>, tag: FlvTag, unwrapper: Unwrapper, stream: { config: AvcConfig | undefined }): void {
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
    this.#options.onPicture({
      ticks,
      key: frame.key,
      data: new Uint8Array(frame.data),
      config: frame.config,
    });
  }

  #ended(run: Run<Config>, reason: string | undefined): void {
    if (this.#run !== run) return;
    this.#run = undefined;
    this.#needsKey = true;
    this.#failures += 1;
    if (reason === undefined && this.#failures < MAX_FAILURES) {
      this.#options.onKeyframeNeeded();
      return;
    }
    this.#state = 'failed';
    const broken = `ffmpeg, which converts ${this.#options.what}, ended again and again; see the log.`;
    this.#options.onFailure(reason ?? broken);
  }

  get #missing(): string {
    return (
      `${this.#options.what} has to be converted, and ffmpeg was not found: install it ` +
      '(apt-get install ffmpeg) or set LECTERN_FFMPEG.'
    );
  }

  #stop(): void {
    const run = this.#run;
    this.#run = undefined;
    run?.child.kill('SIGKILL');
  }
}
