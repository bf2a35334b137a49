// Decoding, mixing and encoding for all broadcasts in one worker thread. This side collects packets into
// batches, moves them over and hands back what was made; a worker that crashes is replaced, and the sound goes on.
import { Worker } from 'node:worker_threads';
import { Counter, Gauge, type Registry } from 'prom-client';
import { Backoff } from '#shared/backoff.ts';
import type { Log } from '#server/log.ts';
import type { Mixer, MixerOptions, Mixing } from '../channel/sources.ts';
import { MixerBus, type Order } from './mixer-bus.ts';
import type { Answer, Batch, MixerEntry } from './messages.ts';

/** How often packets go over: often enough for the delay, seldom enough for the cost. */
const BATCH_MS = 60;
/** Arriving packets set batches off; where none come, a timer does. */
const QUIET_BATCH_MS = 120;
const RESTART = { minMs: 100, maxMs: 5_000 };

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
  readonly #buses = new Map<number, MixerBus>();
  readonly #timer: NodeJS.Timeout;
  readonly #lag: Gauge;
  readonly #restarts: Counter;
  readonly #damaged: Counter;
  #worker: Worker | undefined;
  /** Processor time of the workers that crashed, and of the one that runs. */
  readonly #cpuS = { before: 0, worker: 0 };
  #lagMs = 0;
  #restart: NodeJS.Timeout | undefined;
  readonly #backoff = new Backoff(RESTART);
  /** Buses that the worker may forget. */
  #released: number[] = [];
  #lastBus = 0;
  #lastBatch = 0;
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
    const encoded = () => [...this.#buses.values()].flatMap((bus) => bus.encoded);
    new Gauge({
      name: 'lectern_sound_encoders',
      help: 'Classes whose sound is encoded, by codec: what is passed through, or needed by nobody, is not.',
      labelNames: ['codec'],
      registers,
      collect() {
        for (const codec of ['aac', 'opus'])
          this.set({ codec }, encoded().filter((one) => one === codec).length);
      },
    });
    this.#start();
    this.#timer = setInterval(() => this.#flushIfDue(), QUIET_BATCH_MS);
  }

  open(options: MixerOptions): Mixer {
    this.#lastBus += 1;
    const id = this.#lastBus;
    const release = () => this.#released.push(id);
    const bus = new MixerBus(options, {
      nowMs: () => performance.now(),
      news: () => this.#flushIfDue(),
      release,
    });
    this.#buses.set(id, bus);
    return {
      want: (codecs) => bus.want(codecs),
      addPacket(source, ptsUs, data) {
        bus.addPacket(source, ptsUs, data);
      },
      configOf: (codec) => bus.configOf(codec),
      remove: (source) => bus.remove(source),
      close: () => {
        if (this.#buses.delete(id)) release();
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
    this.#buses.clear();
    await this.#worker?.terminate();
  }

  #start(): void {
    const worker = new Worker(new URL('./sound-worker.ts', import.meta.url));
    this.#worker = worker;
    for (const bus of this.#buses.values()) bus.restarted();
    worker.on('message', (answer: Answer) => {
      this.#backoff.reset();
      this.#take(answer);
    });
    worker.on('error', (error) => this.#log.error({ err: error }, 'the sound worker crashed'));
    worker.on('exit', () => {
      if (this.#worker !== worker || this.#state === 'closed') return;
      this.#worker = undefined;
      this.#cpuS.before += this.#cpuS.worker;
      this.#cpuS.worker = 0;
      this.#restarts.inc();
      this.#restart = setTimeout(() => this.#start(), this.#backoff.failed());
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
    const batch = this.#lastBatch + 1;
    const orders: (Order & { readonly mixer: number })[] = [];
    for (const [mixer, bus] of this.#buses) {
      const order = bus.order(batch);
      if (order !== undefined) orders.push({ ...order, mixer });
    }
    if (orders.length === 0 && this.#released.length === 0) return;
    this.#lastBatch = batch;
    const packets = orders.flatMap((order) => order.packets);
    const bytes = new Uint8Array(packets.reduce((sum, { data }) => sum + data.length, 0));
    let offset = 0;
    const mixers = orders.map((order): MixerEntry => {
      const entries = order.packets.map(({ source, position, data }) => {
        bytes.set(data, offset);
        offset += data.length;
        return { source, position, offset: offset - data.length, length: data.length };
      });
      return { ...order, packets: entries };
    });
    const message: Batch = { batch, sentAtMs: performance.now(), mixers, closed: this.#released, bytes };
    this.#released = [];
    worker.postMessage(message, [bytes.buffer]);
  }

  #take({ batch, sentAtMs, units, bytes, damaged }: Answer): void {
    this.#lagMs = performance.now() - sentAtMs;
    this.#lag.set(this.#lagMs / 1_000);
    if (damaged > 0) this.#damaged.inc(damaged);
    for (const { codec, mixer, position, offset, length } of units)
      this.#buses.get(mixer)?.made(codec, position, bytes.subarray(offset, offset + length));
    for (const bus of this.#buses.values()) bus.answered(batch);
  }
}
