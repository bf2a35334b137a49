// Asks the other services how they are, when somebody wants to know and every ten seconds for the history.
import type { z } from '@hono/zod-openapi';
import { SAMPLE_EVERY_MS, type StatusHistory } from '#shared/contract/status-history.ts';
import { GatewayStatus, SfuStatus, type Status } from '#shared/contract/status.ts';
import type { ServiceName, Vitals } from '#shared/contract/status.ts';
import { callInternal } from '#server/internal-client.ts';
import type { Log } from '#server/log.ts';
import type { Settings } from '#server/settings.ts';
import { processVitals } from '#server/vitals.ts';
import { History } from './history.ts';
import { warningsOf } from './warnings.ts';

/** A page waits for this answer: what does not answer by then counts as down. */
const ANSWER_LIMIT_MS = 1_500;

export interface StatusWatcherOptions {
  readonly settings: Pick<Settings, 'LECTERN_GATEWAY_URL' | 'LECTERN_SFU_URL'>;
  /** The internal secret. */
  readonly secret: string;
  readonly now: () => number;
  readonly log: Log;
  /** By default SAMPLE_EVERY_MS. */
  readonly everyMs?: number;
}

/** What a service told, and how long that took. */
interface Told<T> {
  readonly told: T | undefined;
  readonly answerMs: number;
}

export class StatusWatcher {
  readonly #options: StatusWatcherOptions;
  readonly #history = new History();
  readonly #timer: NodeJS.Timeout;
  #sampling = false;

  constructor(options: StatusWatcherOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#sample(), options.everyMs ?? SAMPLE_EVERY_MS);
    void this.#sample();
  }

  /** The status now. Never rejects for a service that does not answer. */
  async status(): Promise<Status> {
    const { settings, now } = this.#options;
    const [gateway, sfu] = await Promise.all([
      this.#ask(settings.LECTERN_GATEWAY_URL, GatewayStatus),
      this.#ask(settings.LECTERN_SFU_URL, SfuStatus),
    ]);
    const atMs = now();
    return {
      atMs,
      services: [
        this.#serviceOf('gateway', gateway, atMs),
        this.#serviceOf('sfu', sfu, atMs),
        this.#serviceOf('school', { told: { vitals: processVitals() }, answerMs: 0 }, atMs),
      ],
      channels: (gateway.told?.channels ?? []).map((channel) => ({
        ...channel,
        viewers: { ...channel.viewers, whep: sfu.told?.whepViewers[channel.lesson] ?? 0 },
      })),
      rooms: sfu.told ?? null,
      disk: gateway.told?.disk ?? null,
      sound: gateway.told?.sound ?? null,
      warnings: warningsOf({ gateway: gateway.told, sfu: sfu.told }),
    };
  }

  /** The samples after `afterMs`. */
  history(afterMs: number): StatusHistory {
    return this.#history.since(afterMs);
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    // One that hangs is waited for; its neighbours are not asked twice meanwhile.
    if (this.#sampling) return;
    this.#sampling = true;
    this.#history.take(await this.status());
    this.#sampling = false;
  }

  async #ask<T extends z.ZodType>(origin: string, schema: T): Promise<Told<z.output<T>>> {
    const { secret, log } = this.#options;
    const startMs = performance.now();
    const url = `${origin}/internal/status`;
    try {
      const told = await callInternal(secret, 'GET', url, schema, undefined, ANSWER_LIMIT_MS);
      return { told, answerMs: Math.round(performance.now() - startMs) };
    } catch (error) {
      log.debug({ err: error, url }, 'a service told nothing of itself');
      return { told: undefined, answerMs: Math.round(performance.now() - startMs) };
    }
  }

  #serviceOf(
    name: ServiceName,
    { told, answerMs }: Told<{ vitals: Vitals }>,
    atMs: number,
  ): Status['services'][number] {
    if (told === undefined) return { name, state: 'down', answerMs: null, vitals: null, cpu: null };
    const { vitals } = told;
    return { name, state: 'up', answerMs, vitals, cpu: this.#history.cpu(name, vitals, atMs) };
  }
}
