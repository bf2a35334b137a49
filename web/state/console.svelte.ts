// How the services are, asked again and again while the console is open.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import { MAX_SAMPLES, SAMPLE_EVERY_MS, type StatusSample } from '#shared/contract/status-history.ts';
import type { RetentionView } from '#shared/contract/rest.ts';
import type { Status } from '#shared/contract/status.ts';
import type { Api } from '../engine/api.ts';

export type ConsoleState =
  | { name: 'loading' }
  /** `stale` once a later answer did not come: what is shown is old. */
  | { name: 'ready'; status: Status; stale: ErrorCode | undefined }
  | { name: 'failed'; code: ErrorCode };

export class ConsoleStore {
  #api: Pick<Api, 'status' | 'statusHistory' | 'retention'>;
  #state = $state.raw<ConsoleState>({ name: 'loading' });
  #samples = $state.raw<readonly StatusSample[]>([]);
  #retention = $state.raw<RetentionView | null>(null);
  #asking = false;

  constructor(api: Pick<Api, 'status' | 'statusHistory' | 'retention'>) {
    this.#api = api;
  }

  get state(): ConsoleState {
    return this.#state;
  }

  /** The last hour, the oldest first. */
  get samples(): readonly StatusSample[] {
    return this.#samples;
  }

  /** How long recordings are kept, and which go next; null until that is known. */
  get retention(): RetentionView | null {
    return this.#retention;
  }

  /** Asks once; a second call while the first is under way does nothing. */
  async load(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    // Who is signed out is asked for again and again, and reads the same all the while.
    if (this.#state.name === 'failed' && this.#state.code !== 'unauthorized') {
      this.#state = { name: 'loading' };
    }
    try {
      const [status] = await Promise.all([this.#api.status(), this.#loadSamples()]);
      this.#state = { name: 'ready', status, stale: undefined };
    } catch (error) {
      const code = codeOf(error);
      // Who is no longer the owner sees nothing more; a network that fails leaves what there was.
      const keep = this.#state.name === 'ready' && code !== 'unauthorized';
      this.#state =
        keep && this.#state.name === 'ready' ? { ...this.#state, stale: code } : { name: 'failed', code };
    } finally {
      this.#asking = false;
    }
  }

  /** Asks for what is new since the last sample, once there may be one. Without an answer the lines stand. */
  async #loadSamples(): Promise<void> {
    const lastMs = this.#samples.at(-1)?.atMs;
    // By the server's clock, which the answers carry.
    const nowMs = this.#state.name === 'ready' ? this.#state.status.atMs : undefined;
    if (lastMs !== undefined && nowMs !== undefined && nowMs - lastMs < SAMPLE_EVERY_MS) return;
    try {
      const [{ samples }, retention] = await Promise.all([
        this.#api.statusHistory(lastMs),
        this.#api.retention(),
      ]);
      this.#retention = retention;
      this.#samples = [...this.#samples, ...samples].slice(-MAX_SAMPLES);
    } catch {
      // The status says what is wrong, and the next answer brings what is missing.
    }
  }
}
