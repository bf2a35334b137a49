// Anything → H.264 without B-frames, in one size or several: one ffmpeg per track, a container in, FLV out.
// The only place in the live path where video is encoded again.
import type { Readable } from 'node:stream';
import { Unwrapper } from '#shared/media/clock.ts';
import { FlvDemuxer, parseVideoBody, videoFrameFromBody, type FlvTag } from '#shared/media/flv.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { CodedVideoFrame } from '../ingest/rtp/depacketiser.ts';
import { outputPipe, startProcess, type FfmpegProcess } from './process.ts';

const KEYFRAME_INTERVAL_S = 1;
/** Above this ffmpeg does not keep up: no more bytes of pictures wait, but for those that came all at once. */
const MAX_QUEUED_BYTES = 2 * 1024 * 1024;
/** Exits without a single picture in between, until it is given up. */
const MAX_FAILURES = 3;

/** How frames are put into a byte stream that ffmpeg reads. Times are ms from the first frame. */
export interface Container<Config> {
  /** ffmpeg's name of it. */
  readonly format: string;
  /** What ffmpeg is told about reading it. */
  readonly options?: readonly string[];
  header(config: Config): Buffer;
  writeFrame(frame: CodedVideoFrame<Config>, timeMs: number): Buffer;
}

/** One of the pictures that are made of what comes in. */
export interface Output {
  /** ffmpeg's filters on the way, e.g. `scale=…`. */
  readonly filters?: string;
  /** Of H.264; `main` unless stated. */
  readonly profile?: 'baseline' | 'main';
  readonly maxKbps?: number;
  readonly onFrame: (frame: CodedVideoFrame<AvcConfig>) => void;
}

/** ffmpeg is not there, or ended again and again. */
export type TranscodingFailure = 'no-ffmpeg' | 'conversion-broken';

export interface TranscoderOptions<Config> {
  readonly ffmpeg: string;
  readonly clockRate: number;
  /** What comes in, for the sentences a person reads, e.g. `VP8`. */
  readonly what: string;
  readonly container: Container<Config>;
  readonly outputs: readonly [Output, ...Output[]];
  /** Key frames come each second unless they are to come where the source has them. */
  readonly keyframes?: 'each-second' | 'as-source';
  /** The first picture that is shown now or later is a key frame, and from there on they come each second. */
  readonly keyframesFromTicks?: number;
  /** `spare`: it takes what the machine has over, a thread and no more. */
  readonly priority?: 'normal' | 'spare';
  /** Exits without a single picture in between, until it is given up; 3 unless stated. */
  readonly maxFailures?: number;
  /** Pictures were dropped: only a key frame helps. */
  readonly onKeyframeNeeded: () => void;
  readonly onFailure: (reason: string, code: TranscodingFailure) => void;
  readonly onLog: (line: string) => void;
}

/** What belongs to one ffmpeg: it is replaced when the configuration changes. */
interface Run<Config> {
  readonly process: FfmpegProcess;
  readonly config: Config;
  readonly firstTicks: number;
  /** Of those that came all at once, how many bytes may wait still. */
  backlogBytes: number;
}

export class Transcoder<Config> {
  readonly #options: TranscoderOptions<Config>;
  #run: Run<Config> | undefined;
  #state: 'open' | 'finishing' | 'failed' | 'closed' = 'open';
  #needsKey = true;
  #failures = 0;

  constructor(options: TranscoderOptions<Config>) {
    this.#options = options;
  }

  /** Takes the next frames, in decoding order. Those of one configuration carry the same object. */
  transcode(...frames: readonly CodedVideoFrame<Config>[]): void {
    for (const frame of frames) this.#writeFrame(frame, frames.length > 1);
  }

  #writeFrame(frame: CodedVideoFrame<Config>, isBacklog: boolean): void {
    if (this.#state !== 'open') return;
    if (this.#needsKey && !frame.key) {
      this.#options.onKeyframeNeeded();
      return;
    }
    if (this.#run?.config !== frame.config) {
      this.#stop();
      this.#run = this.#start(frame);
    }
    const run = this.#run;
    const { firstTicks } = run;
    const { stdin } = run.process;
    run.backlogBytes = Math.min(run.backlogBytes, stdin.writableLength);
    if (!isBacklog && stdin.writableLength > MAX_QUEUED_BYTES + run.backlogBytes) {
      this.#needsKey = true;
      return;
    }
    this.#needsKey = false;
    stdin.write(this.#options.container.writeFrame(frame, Math.round(this.#ms(frame.ticks - firstTicks))));
    if (isBacklog) run.backlogBytes = stdin.writableLength;
  }

  /** Nothing more comes. Resolves when what is in ffmpeg has come out; to be bounded by {@link close}. */
  async finish(): Promise<void> {
    const run = this.#run;
    if (this.#state !== 'open' || run === undefined) return;
    this.#state = 'finishing';
    run.process.stdin.end();
    await run.process.ended;
  }

  close(): void {
    this.#state = 'closed';
    this.#stop();
  }

  #ms(ticks: number): number {
    return (ticks * 1_000) / this.#options.clockRate;
  }

  #start(first: CodedVideoFrame<Config>): Run<Config> {
    const { ffmpeg, container, outputs, priority, onLog } = this.#options;
    const { config, ticks: firstTicks } = first;
    const process = startProcess({
      ffmpeg,
      args: this.#args(firstTicks),
      outputs: outputs.length,
      ...(priority === undefined ? {} : { priority }),
      onLine: onLog,
    });
    const run: Run<Config> = { process, config, firstTicks, backlogBytes: 0 };
    for (const [index, output] of outputs.entries()) {
      const stream = process.outputs[index];
      if (stream !== undefined) this.#read(run, stream, output);
    }
    void process.ended.then(({ how }) => this.#ended(run, how === 'missing' ? this.#missing : undefined));
    process.stdin.write(container.header(first.config));
    return run;
  }

  #args(firstTicks: number): string[] {
    const { container, outputs, keyframes, keyframesFromTicks = firstTicks, priority } = this.#options;
    const fromS = Math.max(0, this.#ms(keyframesFromTicks - firstTicks) / 1_000);
    const threads = priority === 'spare' ? ['-threads', '1'] : [];
    const keys =
      keyframes === 'as-source'
        ? ['-force_key_frames', 'source', '-g', '100000', '-sc_threshold', '0']
        : ['-force_key_frames', `expr:gte(t,${fromS}+n_forced*${KEYFRAME_INTERVAL_S})`];
    return [
      ...['-v', 'error'],
      ...(priority === 'spare' ? ['-filter_threads', '1', ...threads] : []),
      ...(container.options ?? []),
      ...['-f', container.format, '-probesize', '32', '-analyzeduration', '0', '-i', 'pipe:0'],
      ...outputs.flatMap(({ filters, profile = 'main', maxKbps = 3_000 }, index) => [
        // One picture out for each one in, with its time: neither repeated nor dropped.
        ...(filters === undefined ? [] : ['-vf', filters]),
        ...['-an', '-fps_mode', 'passthrough', ...threads, '-c:v', 'libx264', '-preset', 'veryfast'],
        ...['-tune', 'zerolatency', '-profile:v', profile, '-bf', '0', '-pix_fmt', 'yuv420p', '-crf', '23'],
        ...['-maxrate', `${maxKbps}k`, '-bufsize', `${maxKbps}k`, ...keys],
        ...['-f', 'flv', '-flvflags', 'no_duration_filesize', '-flush_packets', '1'],
        outputPipe(index),
      ]),
    ];
  }

  #read(run: Run<Config>, stream: Readable, output: Output): void {
    const demuxer = new FlvDemuxer();
    const unwrapper = new Unwrapper(32);
    const described: { config: AvcConfig | undefined } = { config: undefined };
    stream.on('data', (bytes: Buffer) => {
      if (this.#run !== run) return;
      try {
        for (const tag of demuxer.readBytes(bytes)) {
          const frame = this.#frameOf(run, tag, unwrapper, described);
          if (frame !== undefined) output.onFrame(frame);
        }
      } catch (error) {
        this.#options.onLog(`its output is damaged: ${String(error)}`);
        run.process.kill();
      }
    });
  }

  #frameOf(
    run: Run<Config>,
    tag: FlvTag,
    unwrapper: Unwrapper,
    described: { config: AvcConfig | undefined },
  ): CodedVideoFrame<AvcConfig> | undefined {
    if (tag.type !== 'video') return undefined;
    const body = parseVideoBody(tag.body);
    if (body.type === 'config') described.config = body.config;
    if (body.type !== 'frame' || described.config === undefined) return undefined;
    const timeMs = unwrapper.unwrap(tag.timestampMs);
    const frame = videoFrameFromBody(body, described.config, timeMs * 1_000);
    if (frame === null) return undefined;
    this.#failures = 0;
    const ticks = run.firstTicks + Math.round((timeMs * this.#options.clockRate) / 1_000);
    // A view of what was read would keep all of it in memory.
    return { ticks, key: frame.key, data: new Uint8Array(frame.data), config: frame.config };
  }

  #ended(run: Run<Config>, reason: string | undefined): void {
    if (this.#run !== run) return;
    this.#run = undefined;
    if (this.#state !== 'open') return;
    this.#needsKey = true;
    this.#failures += 1;
    const { maxFailures = MAX_FAILURES } = this.#options;
    if (reason === undefined && this.#failures < maxFailures) {
      this.#options.onKeyframeNeeded();
      return;
    }
    this.#state = 'failed';
    const often = maxFailures > 1 ? ' again and again' : '';
    const broken = `ffmpeg, which converts ${this.#options.what}, ended${often}; see the log.`;
    this.#options.onFailure(reason ?? broken, reason === undefined ? 'conversion-broken' : 'no-ffmpeg');
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
    run?.process.kill();
  }
}
