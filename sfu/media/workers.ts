// The mediasoup workers: one process for each core, each with its own WebRTC port. One that dies is
// started again; rooms that were on it hear of it, the others notice nothing.
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createWorker, type types } from 'mediasoup';
import { Backoff } from '#shared/backoff.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { expected } from '#shared/expected.ts';
import type { Log } from '#server/log.ts';
import type { Settings } from '#server/settings.ts';
import { ResourceCounts } from './resource-counts.ts';
import { listenInfos } from './listen.ts';

/** A worker of an earlier process may need a moment to let go of its port after `kill -9`. */
const PORT_TRIES = 10;
const PORT_RETRY_MS = 300;
/** How long a worker that will not start is left alone before the next try. */
const RESTART = { minMs: 100, maxMs: 5_000 };

/** A worker that runs. */
export interface LiveWorker {
  readonly index: number;
  readonly worker: types.Worker;
  readonly server: types.WebRtcServer;
  /** Called once each if it dies. */
  readonly onDeath: Set<() => void>;
}

interface WorkerSlot {
  readonly index: number;
  live: Promise<LiveWorker>;
  running: LiveWorker | null;
  rooms: number;
}

export interface WorkerUsage {
  readonly index: number;
  readonly cpuS: number;
  readonly memoryBytes: number;
}

export class Workers {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #slots: WorkerSlot[] = [];
  /** What lives in the workers. */
  readonly resources = new ResourceCounts();
  readonly #closing = new AbortController();
  #deaths = 0;

  private constructor(settings: Settings, log: Log) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Starts them all. Throws an Error of one line that says what a person must do. */
  static async start(settings: Settings, log: Log): Promise<Workers> {
    const workers = new Workers(settings, log);
    const count = settings.sfu.workers ?? availableParallelism();
    const starts = Array.from({ length: count }, (_, index) => workers.#launch(index));
    const results = await Promise.allSettled(starts);
    const failed = results.find((result) => result.status === 'rejected');
    results.forEach((result, index) => {
      if (result.status !== 'fulfilled') return;
      const slot: WorkerSlot = {
        index,
        live: Promise.resolve(result.value),
        running: result.value,
        rooms: 0,
      };
      workers.#slots.push(slot);
      workers.#watch(slot, result.value);
    });
    if (failed === undefined) return workers;
    workers.close();
    throw failed.reason;
  }

  get deaths(): number {
    return this.#deaths;
  }

  /** True while every worker runs. */
  get ready(): boolean {
    return this.#slots.every((slot) => slot.running !== null);
  }

  /** Process ids of those that run. */
  pids(): number[] {
    return this.#slots.flatMap(({ running }) => (running === null ? [] : [running.worker.pid]));
  }

  /**
   * Takes a place on the worker with the fewest rooms, waiting for one to be started if none runs.
   * `release` gives the place back. Throws LecternError `service-unavailable` when closing.
   */
  async take(): Promise<{ live: LiveWorker; release: () => void }> {
    const byLoad = [...this.#slots].sort(
      (a, b) => Number(a.running === null) - Number(b.running === null) || a.rooms - b.rooms,
    );
    const slot = byLoad[0];
    if (slot === undefined || this.#closing.signal.aborted) throw new LecternError('service-unavailable');
    slot.rooms += 1;
    let taken = true;
    const release = () => {
      if (taken) slot.rooms -= 1;
      taken = false;
    };
    try {
      return { live: await slot.live, release };
    } catch {
      release();
      throw new LecternError('service-unavailable');
    }
  }

  async usage(): Promise<WorkerUsage[]> {
    const running = this.#slots.flatMap((slot) => (slot.running === null ? [] : [slot.running]));
    const results = await Promise.allSettled(
      running.map(async ({ index, worker }) => {
        const { ru_utime, ru_stime, ru_maxrss } = await worker.getResourceUsage();
        return { index, cpuS: (ru_utime + ru_stime) / 1_000, memoryBytes: ru_maxrss * 1024 };
      }),
    );
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  close(): void {
    this.#closing.abort();
    for (const slot of this.#slots) {
      slot.running?.worker.close();
      slot.running = null;
    }
  }

  async #launch(index: number): Promise<LiveWorker> {
    const base = this.#settings.sfu.rtc.port;
    const port = base === 0 ? 0 : base + index;
    let worker: types.Worker;
    try {
      worker = await createWorker({ logLevel: 'warn' });
    } catch (error) {
      throw new Error(`The mediasoup worker does not start (${String(error)}): run \`npm run doctor\`.`);
    }
    for (let tries = 1; ; tries += 1) {
      try {
        const infos = listenInfos(port, this.#settings.sfu.rtc.ip);
        const server = await worker.createWebRtcServer({ listenInfos: infos });
        this.resources.watch(worker);
        return { index, worker, server, onDeath: new Set() };
      } catch (error) {
        if (tries < PORT_TRIES && !worker.closed && /in use/i.test(String(error))) {
          await sleep(PORT_RETRY_MS);
          continue;
        }
        worker.close();
        throw new Error(
          `WebRTC cannot listen on port ${port}, UDP and TCP (${String(error)}): ` +
            'free it, or set LECTERN_RTC_PORT to another.',
        );
      }
    }
  }

  #watch(slot: WorkerSlot, live: LiveWorker): void {
    live.worker.on('died', (error) => {
      if (this.#closing.signal.aborted) return;
      this.#deaths += 1;
      slot.running = null;
      slot.live = this.#relaunch(slot);
      // Nobody may be waiting for it.
      slot.live.catch(expected('nobody waits for it yet'));
      this.#log.error({ err: error, worker: slot.index }, 'a media worker died');
      for (const tell of [...live.onDeath]) tell();
      live.onDeath.clear();
    });
  }

  async #relaunch(slot: WorkerSlot): Promise<LiveWorker> {
    const backoff = new Backoff(RESTART);
    for (;;) {
      try {
        const live = await this.#launch(slot.index);
        if (this.#closing.signal.aborted) {
          live.worker.close();
          throw new LecternError('service-unavailable');
        }
        slot.running = live;
        this.#watch(slot, live);
        this.#log.info({ worker: slot.index }, 'a media worker was restarted');
        return live;
      } catch (error) {
        this.#log.error({ err: error, worker: slot.index }, 'a media worker does not start');
        await sleep(backoff.failed(), undefined, { signal: this.#closing.signal });
      }
    }
  }
}
