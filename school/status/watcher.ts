// Asks the other services how they are, when somebody wants to know and every ten seconds for the history.
import { SAMPLE_EVERY_MS, type StatusHistory } from '#shared/contract/status-history.ts';
import type { ServiceName, Status, ProcessStats } from '#shared/contract/status.ts';
import type { Log } from '#server/log.ts';
import { processStats } from '#server/process-stats.ts';
import type { ServiceClients } from '../clients.ts';
import { History } from './history.ts';
import { warningsOf } from './warnings.ts';

export interface StatusWatcherOptions {
  readonly clients: ServiceClients;
  readonly now: () => number;
  readonly log: Log;
  /** By default SAMPLE_EVERY_MS. */
  readonly everyMs?: number;
}

/** The status of a service, undefined if it did not answer, and how long that took. */
interface ServiceAnswer<T> {
  readonly status: T | undefined;
  readonly answerMs: number;
}

export class StatusWatcher {
  readonly #options: StatusWatcherOptions;
  readonly #history = new History();
  readonly #timer: NodeJS.Timeout;
  #sampling = false;
  /** How many watched each lesson at the last look; undefined where the gateway did not answer. */
  #watching: ReadonlyMap<string, number> | undefined;

  constructor(options: StatusWatcherOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#sample(), options.everyMs ?? SAMPLE_EVERY_MS);
    void this.#sample();
  }

  /** The status now. Never rejects for a service that does not answer. */
  async status(): Promise<Status> {
    const { clients, now } = this.#options;
    const [gateway, sfu] = await Promise.all([
      this.#ask('gateway', clients.gateway.status),
      this.#ask('sfu', clients.sfu.status),
    ]);
    const atMs = now();
    return {
      atMs,
      services: [
        this.#serviceOf('gateway', gateway, atMs),
        this.#serviceOf('sfu', sfu, atMs),
        this.#serviceOf('school', { status: { vitals: processStats() }, answerMs: 0 }, atMs),
      ],
      channels: (gateway.status?.channels ?? []).map((channel) => ({
        ...channel,
        viewers: { ...channel.viewers, whep: sfu.status?.whepViewers[channel.lesson] ?? 0 },
      })),
      rooms: sfu.status ?? null,
      disk: gateway.status?.disk ?? null,
      sound: gateway.status?.sound ?? null,
      warnings: warningsOf({ gateway: gateway.status, sfu: sfu.status }),
    };
  }

  /** The samples after `afterMs`. */
  history(afterMs: number): StatusHistory {
    return this.#history.since(afterMs);
  }

  /** How many watched a lesson at the last look, over all protocols; null where that is not known. */
  watching(lesson: string): number | null {
    return this.#watching?.get(lesson) ?? null;
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    // While one that hangs is waited for, the others are not asked again.
    if (this.#sampling) return;
    this.#sampling = true;
    const status = await this.status();
    this.#history.append(status);
    const isTold = status.services.every(({ name, state }) => name !== 'gateway' || state === 'up');
    this.#watching = isTold
      ? new Map(
          status.channels.map(({ lesson, viewers }) => [
            lesson,
            Object.values(viewers).reduce((sum, count) => sum + count, 0),
          ]),
        )
      : undefined;
    this.#sampling = false;
  }

  async #ask<T>(service: ServiceName, ask: () => Promise<T>): Promise<ServiceAnswer<T>> {
    const startMs = performance.now();
    try {
      const status = await ask();
      return { status, answerMs: Math.round(performance.now() - startMs) };
    } catch (error) {
      this.#options.log.debug({ err: error, service }, 'a service did not answer');
      return { status: undefined, answerMs: Math.round(performance.now() - startMs) };
    }
  }

  #serviceOf(
    name: ServiceName,
    { status, answerMs }: ServiceAnswer<{ vitals: ProcessStats }>,
    atMs: number,
  ): Status['services'][number] {
    if (status === undefined) return { name, state: 'down', answerMs: null, vitals: null, cpu: null };
    const { vitals } = status;
    return { name, state: 'up', answerMs, vitals, cpu: this.#history.cpu(name, vitals, atMs) };
  }
}
