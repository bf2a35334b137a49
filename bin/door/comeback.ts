// Waits for a service that restarts. Players give up for good after one or two refusals, and wait for an answer that
// takes some seconds.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 100;

export class Comeback {
  readonly #origin: URL;
  readonly #patienceMs: number;
  /** Until when each request waits at most, on the monotonic clock, of those that have waited. */
  readonly #untilMs = new WeakMap<object, number>();
  #isBack: Promise<void> | undefined;

  /** Of the service at `origin`; no request waits longer than `patienceMs` in all. */
  constructor(origin: string, patienceMs: number) {
    this.#origin = new URL(origin);
    this.#patienceMs = patienceMs;
  }

  /**
   * The service failed `request`: resolves when it takes connections again, or when the patience is over; undefined if
   * that is over already.
   */
  of(request: object): Promise<void> | undefined {
    const nowMs = performance.now();
    const untilMs = this.#untilMs.get(request) ?? nowMs + this.#patienceMs;
    this.#untilMs.set(request, untilMs);
    return nowMs < untilMs ? (this.#isBack ??= this.#look()) : undefined;
  }

  /** All who wait look together. */
  async #look(): Promise<void> {
    const untilMs = performance.now() + this.#patienceMs;
    do await sleep(LOOK_EVERY_MS);
    while (!(await this.#answers()) && performance.now() < untilMs);
    this.#isBack = undefined;
  }

  async #answers(): Promise<boolean> {
    const { hostname, port } = this.#origin;
    // An address of IPv6 is in brackets there.
    const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }
}
