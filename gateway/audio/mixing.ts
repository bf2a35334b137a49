// Opus → AAC for all broadcasts in one worker thread. This side collects packets into batches, moves them
// over and hands the AAC back; a worker that crashes is replaced, and the sound goes on.
import { Worker } from 'node:worker_threads';
import { Counter, Gauge, type Registry } from 'prom-client';
import { aacConfig, AAC_FRAME_SAMPLES } from '#shared/media/aac.ts';
import type { Log } from '#server/log.ts';
import type { Mixer, MixerOptions, Mixing } from '../channel/sources.ts';
import type { Answer, Batch, MixerEntry, PacketEntry } from './messages.ts';
import { SAMPLE_RATE, type ChannelCount } from './mixer.ts';

/** How often packets go over: often enough for the delay, seldom enough for the cost. */
const BATCH_MS = 60;
/** Arriving packets set batches off; where none come, a timer does. */
const QUIET_BATCH_MS = 120;
/** Bytes that may wait while there is no worker: seconds of every class. What comes beyond is left out. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 5_000;
const CONFIG = { 1: aacConfig(SAMPLE_RATE, 1), 2: aacConfig(SAMPLE_RATE, 2) } as const;
/** The bit of a packet's first byte that says stereo (RFC 6716 §3.1). */
const OPUS_STEREO = 0x04;
const UNIT_US = (AAC_FRAME_SAMPLES * 1_000_000) / SAMPLE_RATE;

interface Waiting {
  readonly source: string;
  readonly position: number;
  readonly data: Uint8Array;
}

/** A mixer as this side sees it. */
interface Desk {
  readonly id: number;
  readonly options: MixerOptions;
  packets: Waiting[];
  removed: string[];
  /** Where the last access unit ended, in samples: a new worker must not go back behind it. */
  end: number;
  /**
   * Undefined before the first packet, which decides: mono costs half of stereo, and a change in the
   * middle would be a new configuration for every player.
   */
  channels: ChannelCount | undefined;
}

/** What the workers take. */
export interface MixingUsage {
  readonly workers: number;
  /** Processor time since the start of the gateway, of all workers there were. */
  readonly cpuS: number;
  /** From a batch of sound going over to its AAC coming back, the last time. */
  readonly lagMs: number;
}

export interface MixingService extends Mixing {
  usage(): Promise<MixingUsage>;
  close(): Promise<void>;
}

export interface MixingOptions {
  readonly log: Log;
  readonly metrics: Registry;
}

/** Starts the worker. */
export function openMixing({ log, metrics }: MixingOptions): MixingService {
  return new WorkerMixing(log, metrics);
}

class WorkerMixing implements MixingService {
  readonly #log: Log;
  readonly #desks = new Map<number, Desk>();
  readonly #timer: NodeJS.Timeout;
  readonly #lag: Gauge;
  readonly #restarts: Counter;
  readonly #damaged: Counter;
  #worker: Worker | undefined;
  /** Processor time of the workers that crashed, and of the one that runs. */
  readonly #cpuS = { before: 0, worker: 0 };
  #lagMs = 0;
  #restart: NodeJS.Timeout | undefined;
  #restartMs = RESTART_MIN_MS;
  #closedDesks: number[] = [];
  #lastId = 0;
  #waitingBytes = 0;
  #flushedAtMs = 0;
  #state: 'open' | 'closed' = 'open';

  constructor(log: Log, registry: Registry) {
    this.#log = log;
    const registers = [registry];
    this.#lag = new Gauge({
      name: 'lectern_aac_worker_lag_seconds',
      help: 'From a batch of sound going over to its AAC coming back',
      registers,
    });
    this.#restarts = new Counter({
      name: 'lectern_aac_worker_restarts_total',
      help: 'Crashes of the worker',
      registers,
    });
    this.#damaged = new Counter({
      name: 'lectern_aac_damaged_packets_total',
      help: 'Opus packets that could not be decoded',
      registers,
    });
    this.#start();
    this.#timer = setInterval(() => this.#flushIfDue(), QUIET_BATCH_MS);
  }

  open(options: MixerOptions): Mixer {
    this.#lastId += 1;
    const desk: Desk = {
      id: this.#lastId,
      options,
      packets: [],
      removed: [],
      end: -Infinity,
      channels: undefined,
    };
    this.#desks.set(desk.id, desk);
    return {
      packet: (source, ptsUs, data) => {
        if (!this.#desks.has(desk.id) || this.#waitingBytes > MAX_WAITING_BYTES) return;
        desk.channels ??= ((data[0] ?? 0) & OPUS_STEREO) === 0 ? 1 : 2;
        desk.packets.push({ source, position: (ptsUs * SAMPLE_RATE) / 1_000_000, data });
        this.#waitingBytes += data.length;
        this.#flushIfDue();
      },
      remove: (source) => desk.removed.push(source),
      close: () => {
        if (this.#desks.delete(desk.id)) this.#closedDesks.push(desk.id);
      },
    };
  }

  async usage(): Promise<MixingUsage> {
    const worker = this.#worker;
    if (worker !== undefined) {
      try {
        const { user, system } = await worker.cpuUsage();
        if (this.#worker === worker) this.#cpuS.worker = (user + system) / 1e6;
      } catch {
        // It ended meanwhile: what it had by then is known from the last time.
      }
    }
    const { before, worker: present } = this.#cpuS;
    return { workers: this.#worker === undefined ? 0 : 1, cpuS: before + present, lagMs: this.#lagMs };
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearInterval(this.#timer);
    clearTimeout(this.#restart);
    this.#desks.clear();
    await this.#worker?.terminate();
  }

  #start(): void {
    const worker = new Worker(new URL('./aac-worker.ts', import.meta.url));
    this.#worker = worker;
    worker.on('message', (answer: Answer) => {
      this.#restartMs = RESTART_MIN_MS;
      this.#take(answer);
    });
    worker.on('error', (error) => this.#log.error({ err: error }, 'the AAC worker crashed'));
    worker.on('exit', () => {
      if (this.#worker !== worker || this.#state === 'closed') return;
      this.#worker = undefined;
      this.#cpuS.before += this.#cpuS.worker;
      this.#cpuS.worker = 0;
      this.#restarts.inc();
      this.#restart = setTimeout(() => this.#start(), this.#restartMs);
      this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MAX_MS);
    });
  }

  #flushIfDue(): void {
    const nowMs = performance.now();
    if (nowMs - this.#flushedAtMs < BATCH_MS) return;
    this.#flushedAtMs = nowMs;
    this.#flush();
  }

  #flush(): void {
    const worker = this.#worker;
    if (worker === undefined) return;
    const mixers: MixerEntry[] = [];
    const bytes = new Uint8Array(this.#waitingBytes);
    let offset = 0;
    for (const desk of this.#desks.values()) {
      const { channels } = desk;
      if (channels === undefined) continue;
      const packets: PacketEntry[] = desk.packets.map(({ source, position, data }) => {
        bytes.set(data, offset);
        const entry = { source, position, offset, length: data.length };
        offset += data.length;
        return entry;
      });
      const nowUs = desk.options.positionUs();
      const now = nowUs === undefined ? undefined : (nowUs * SAMPLE_RATE) / 1_000_000;
      mixers.push({ mixer: desk.id, channels, now, packets, removed: desk.removed });
      desk.packets = [];
      desk.removed = [];
    }
    this.#waitingBytes = 0;
    if (mixers.length === 0 && this.#closedDesks.length === 0) return;
    const batch: Batch = { sentAtMs: performance.now(), mixers, closed: this.#closedDesks, bytes };
    this.#closedDesks = [];
    worker.postMessage(batch, [bytes.buffer]);
  }

  #take({ sentAtMs, units, bytes, damaged }: Answer): void {
    this.#lagMs = performance.now() - sentAtMs;
    this.#lag.set(this.#lagMs / 1_000);
    if (damaged > 0) this.#damaged.inc(damaged);
    for (const { mixer, position, offset, length } of units) {
      const desk = this.#desks.get(mixer);
      // A fresh encoder begins with its priming, which would go back behind what was given out.
      if (desk?.channels === undefined || position < desk.end) continue;
      desk.end = position + AAC_FRAME_SAMPLES;
      desk.options.onFrame({
        kind: 'audio',
        ptsUs: Math.round((position * 1_000_000) / SAMPLE_RATE),
        durationUs: UNIT_US,
        data: bytes.subarray(offset, offset + length),
        config: CONFIG[desk.channels],
      });
    }
  }
}
