// The timer of the class, as this tab knows it.
import type { ClassTimer } from '#shared/contract/features/timer.ts';
import type { FeatureHost } from '../../engine/feature.ts';

/** How long a page says that time is up. */
export const UP_SHOWN_MS = 60_000;

/** What there is to see of a timer of which `leftMs` are left, less than none once its time is up. */
export type TimerPhase = 'running' | 'up' | 'none';
export function timerPhase(leftMs: number): TimerPhase {
  if (leftMs > 0) return 'running';
  return leftMs > -UP_SHOWN_MS ? 'up' : 'none';
}

export class Timer {
  readonly #host: Pick<FeatureHost, 'request'>;
  #current: ClassTimer | null = null;

  constructor(host: Pick<FeatureHost, 'request'>) {
    this.#host = host;
  }

  /** The one that was started last, its time up or not; null where there is none, or it was stopped. */
  get current(): ClassTimer | null {
    return this.#current;
  }

  /** Takes over what the room says. */
  changed(timer: ClassTimer | null): void {
    this.#current = timer;
  }

  /** Starts one. Rejects with the server's refusal. */
  async start(minutes: number, label: string | null): Promise<void> {
    await this.#host.request('timer:start', { minutes, label });
  }

  /** Gives it more time. Rejects with the server's refusal. */
  async extend(timerId: string, minutes: number): Promise<void> {
    await this.#host.request('timer:extend', { timerId, minutes });
  }

  /** Takes it away for everyone. Rejects with the server's refusal. */
  async stop(timerId: string): Promise<void> {
    await this.#host.request('timer:stop', { timerId });
  }
}

export function createTimer(host: FeatureHost): Timer {
  const timer = new Timer(host);
  host.onJoined((joined) => timer.changed(joined.timer));
  host.on('timer:changed', (change) => timer.changed(change.timer));
  return timer;
}
