// How the services are, asked again and again while the console is open.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { ServiceName, Status } from '#shared/contract/status.ts';
import type { Api } from '../engine/api.ts';
import { codeOf } from './session.svelte.ts';

export type ConsoleState =
  | { name: 'loading' }
  /** `stale` once a later answer did not come: what is shown is old. */
  | { name: 'ready'; status: Status; stale: ErrorCode | undefined }
  | { name: 'failed'; code: ErrorCode };

export class ConsoleStore {
  #api: Pick<Api, 'status'>;
  #state = $state.raw<ConsoleState>({ name: 'loading' });
  #before: Status | undefined;
  #asking = false;

  constructor(api: Pick<Api, 'status'>) {
    this.#api = api;
  }

  get state(): ConsoleState {
    return this.#state;
  }

  /** Asks once; a second call while the first is under way does nothing. */
  async load(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    if (this.#state.name === 'failed') this.#state = { name: 'loading' };
    try {
      const status = await this.#api.status();
      if (this.#state.name === 'ready') this.#before = this.#state.status;
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

  /** Processor time that a service took between the last two answers, in parts of a core; undefined before. */
  cpu(service: ServiceName): number | undefined {
    if (this.#state.name !== 'ready' || this.#before === undefined) return undefined;
    const find = ({ services }: Status) => services.find(({ name }) => name === service)?.vitals;
    const [now, before] = [find(this.#state.status), find(this.#before)];
    const passedS = (this.#state.status.atMs - this.#before.atMs) / 1_000;
    // A service that was started anew begins at nothing.
    if (!now || !before || passedS <= 0 || now.cpuS < before.cpuS) return undefined;
    return (now.cpuS - before.cpuS) / passedS;
  }
}
