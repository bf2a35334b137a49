// Smaller pictures of a source that has one size only: an ffmpeg for each source makes all of them, of what
// the machine has over. It can fail and fall behind as it likes: the source's own picture is not touched.
import { Counter, Gauge, type Registry } from 'prom-client';
import { Backoff } from '#shared/backoff.ts';
import type { Log } from '#server/log.ts';
import type { FrameSize, Scaler, ScalerOptions, Scaling, SourceVideoFrame } from '../channel/sources.ts';
import { describeAvc, matroska, type CodedVideo } from './containers/matroska.ts';
import { Semaphore } from './semaphore.ts';
import { Transcoder } from './transcoder.ts';

/** A picture that comes out later than this after its source's is of no use: the others have gone on. */
const LATE_MS = 350;
/**
 * Except where the source has only just begun: ffmpeg takes a moment to start, and what the audience is told
 * of the renditions comes from the first second.
 */
const START_LATE_MS = 1_000;
/** Nothing came out in time for this long: it does not keep up. */
const BEHIND_MS = 3_000;
/** How long nothing is made after a failure: each time in a row twice as long. */
const PAUSE = { minMs: 2_000, maxMs: 5 * 60_000 };
/** Failures before it went well for this long are forgotten. */
const STEADY_MS = 60_000;
/** Of a picture of 360 lines, and of 720. */
const SMALL_KBPS = 600;
const LARGE_KBPS = 1_800;
const LARGE_FROM_PX = 540;
/** Times go through ffmpeg in these units. */
const MS_PER_S = 1_000;

export interface ScalingOptions {
  readonly ffmpeg: string;
  /** Of how many sources at once, at most; 1 or more. */
  readonly most: number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly metrics: Registry;
}

/** What all scalers share. */
interface Ground {
  readonly ffmpeg: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly made: Gauge;
  readonly dropped: Counter;
}

export function openScaling({ ffmpeg, most, log, metrics }: ScalingOptions): Scaling {
  const registers = [metrics];
  const ground: Ground = {
    ffmpeg,
    log,
    made: new Gauge({
      name: 'lectern_made_renditions',
      help: 'Smaller renditions that are made now of sources that have one size.',
      registers,
    }),
    dropped: new Counter({
      name: 'lectern_made_renditions_dropped_total',
      help: 'How often making smaller renditions of a source stopped because ffmpeg ended or fell behind.',
      registers,
    }),
  };
  const slots = new Semaphore(most);
  return {
    open(options) {
      const release = slots.take();
      if (release !== undefined) return new FfmpegScaler(ground, options, release);
      const { channel } = options;
      log.warn({ channel, most }, 'no smaller renditions: they are made of as many classes as may be');
      return undefined;
    },
  };
}

class FfmpegScaler implements Scaler {
  readonly #ground: Ground;
  readonly #options: ScalerOptions;
  readonly #release: () => void;
  #transcoder: Transcoder<CodedVideo> | undefined;
  /** What ffmpeg reads is described again only where the configuration changes. */
  #described: { of: SourceVideoFrame['config']; as: CodedVideo } | undefined;
  /** The sizes that had a key frame in time, and since then nothing late. */
  readonly #flowing = new Set<number>();
  /** The newest that went in. */
  #newestMs = 0;
  /** The newest that came out in time. */
  #inTimeMs = 0;
  #startedMs = 0;
  #lateMs = START_LATE_MS;
  #retryAtMs = -Infinity;
  readonly #backoff = new Backoff(PAUSE);
  #state: 'open' | 'closed' = 'open';

  constructor(ground: Ground, options: ScalerOptions, release: () => void) {
    this.#ground = ground;
    this.#options = options;
    this.#release = release;
  }

  scaleFrame(frame: SourceVideoFrame): void {
    if (this.#state === 'closed') return;
    this.#newestMs = frame.captureMs;
    try {
      if (this.#transcoder === undefined) {
        if (!frame.key || frame.captureMs < this.#retryAtMs) return;
        this.#start(frame.captureMs);
      }
      if (frame.captureMs - this.#inTimeMs > BEHIND_MS) this.#drop('it does not keep up');
      const { captureMs: ticks, key, data, config } = frame;
      this.#transcoder?.transcode({ ticks, key, data, config: this.#describe(config) });
    } catch (error) {
      this.#drop(String(error));
    }
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#stop();
    this.#release();
  }

  #start(nowMs: number): void {
    const { channel, sizes } = this.#options;
    const [small, ...larger] = sizes.map((size, index) => this.#output(size, index));
    if (small === undefined) return;
    this.#startedMs = nowMs;
    this.#inTimeMs = nowMs;
    this.#transcoder = new Transcoder<CodedVideo>({
      ffmpeg: this.#ground.ffmpeg,
      clockRate: MS_PER_S,
      what: 'This picture',
      container: matroska,
      outputs: [small, ...larger],
      keyframes: 'as-source',
      priority: 'spare',
      maxFailures: 1,
      // The source is not asked: its next key frame is not far.
      onKeyframeNeeded: () => undefined,
      onFailure: (reason) => this.#drop(reason),
      onLog: (line) => this.#ground.log.warn({ channel, line }, 'ffmpeg says'),
    });
    this.#ground.made.inc(sizes.length);
    const lines = sizes.map(({ width, height }) => Math.min(width, height));
    this.#ground.log.info({ channel, lines }, 'smaller renditions are made');
  }

  #output({ width, height }: FrameSize, index: number) {
    return {
      filters: `scale=${width}:${height},setsar=1`,
      maxKbps: Math.min(width, height) < LARGE_FROM_PX ? SMALL_KBPS : LARGE_KBPS,
      onFrame: ({
        ticks,
        key,
        data,
        config,
      }: { ticks: number } & Omit<SourceVideoFrame, 'captureMs' | 'kind'>) =>
        this.#made(index, { kind: 'video', captureMs: ticks, key, data, config }),
    };
  }

  /** What comes late is left out up to the next key frame that does not. */
  #made(index: number, frame: SourceVideoFrame): void {
    const lateMs = this.#newestMs - frame.captureMs;
    if (lateMs > this.#lateMs) {
      this.#flowing.delete(index);
      return;
    }
    if (lateMs <= LATE_MS) {
      this.#inTimeMs = frame.captureMs;
      this.#lateMs = LATE_MS;
    }
    if (frame.key) this.#flowing.add(index);
    if (this.#flowing.has(index)) this.#options.onFrame(index, frame);
  }

  #drop(why: string): void {
    if (this.#transcoder === undefined) return;
    this.#stop();
    this.#lateMs = LATE_MS;
    if (this.#newestMs - this.#startedMs >= STEADY_MS) this.#backoff.reset();
    const pauseMs = this.#backoff.failed();
    this.#retryAtMs = this.#newestMs + pauseMs;
    this.#ground.dropped.inc();
    const { channel } = this.#options;
    this.#ground.log.warn({ channel, why, pauseMs }, 'smaller renditions are left out for a while');
  }

  #stop(): void {
    if (this.#transcoder === undefined) return;
    this.#transcoder.close();
    this.#transcoder = undefined;
    this.#flowing.clear();
    this.#ground.made.dec(this.#options.sizes.length);
  }

  #describe(config: SourceVideoFrame['config']): CodedVideo {
    if (this.#described?.of !== config) {
      this.#described = { of: config, as: describeAvc(config) };
    }
    return this.#described.as;
  }
}
