// Runs the services as child processes: restarts those that end or hang, with back-off, passes their lines
// to one log, and ends them all. A child holds an IPC channel to this process, and ends by itself when it closes
// (server/service.ts): however the supervisor goes, no orphan keeps a port.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff, type BackoffOptions } from '#shared/backoff.ts';
import type { Log } from '#server/log.ts';
import { serviceEnv } from '#server/process-env.ts';
import type { LogLines } from './log-lines.ts';
import { cacheDir } from './setup/cache.ts';
import { SetupError } from './setup/run.ts';

const READY_POLL_MS = 100;
/** A service that takes a connection and says nothing is asked again. */
const READY_LIMIT_MS = 2_000;
/** Longer than a service's own limit for closing (server/service.ts). */
const CLOSE_LIMIT_MS = 10_000;
/** Many times what a service needs to say that it is alive, on a slow disk or alongside other work. */
const HANG_MS = 15_000;
const TICK_MS = 500;

export interface ServiceSpec {
  name: string;
  /** The script to run. */
  file: string;
  /** Answers 200 once the service can serve. */
  readyUrl: string;
}

export interface RestartOptions extends BackoffOptions {
  /** A service that ran for this long starts again at once, and then with the shortest wait. */
  readonly steadyMs: number;
}

const RESTART: RestartOptions = { minMs: 250, maxMs: 8_000, steadyMs: 30_000 };
/** A service that ends this often before it was ever ready will not come: a person has to look. */
const START_TRIES = 5;

export interface SupervisorOptions {
  services: readonly ServiceSpec[];
  env: NodeJS.ProcessEnv;
  /** The supervisor's own lines. */
  log: Log;
  /** Where the children's lines go. */
  lines: LogLines;
  restart?: RestartOptions;
  /** How long a service may be silent before it is taken for one that hangs, in ms. */
  hangMs?: number;
}

/** Owns the services' processes. */
export class Supervisor {
  readonly #services: readonly Service[];
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#services = options.services.map((spec) => new Service(spec, options));
  }

  /**
   * Starts all services and resolves when each is ready.
   * Rejects with a SetupError if one of them keeps ending before that, or when the supervisor is closed meanwhile.
   */
  async start(): Promise<void> {
    for (const service of this.#services) service.start();
    await Promise.all(this.#services.map((service) => service.ready(this.#closing.signal)));
  }

  /** Asks all services to end, and ends those that do not within CLOSE_LIMIT_MS. Idempotent. */
  close(): Promise<void> {
    this.#closing.abort(new Error('Lectern is ending.'));
    this.#closed ??= Promise.all(this.#services.map((service) => service.close())).then(() => undefined);
    return this.#closed;
  }

  /** Ends all services at once, for a person who will not wait. */
  kill(): void {
    for (const service of this.#services) service.kill();
  }
}

type State =
  | { is: 'idle' }
  | { is: 'running'; child: ChildProcess; sinceMs: number }
  | { is: 'waiting'; timer: NodeJS.Timeout }
  | { is: 'closing'; child: ChildProcess }
  | { is: 'closed' };

/**
 * What lives for a moment here is small compared with the buffers outside V8's heap: half of V8's usual room for it
 * is enough, and spares each service some dozen MB.
 */
const NODE_FLAGS = ['--max-semi-space-size=4'];

/** Compiled code is kept: to strip and compile it again is most of what a restart takes (server/service.ts). */
const codeCache = () => ({ NODE_COMPILE_CACHE: join(cacheDir(), 'code') });

class Service {
  readonly #spec: ServiceSpec;
  readonly #options: SupervisorOptions;
  readonly #steadyMs: number;
  readonly #backoff: Backoff;
  readonly #hangMs: number;
  #state: State = { is: 'idle' };
  #ends = 0;

  constructor(spec: ServiceSpec, options: SupervisorOptions) {
    this.#spec = spec;
    this.#options = options;
    const restart = options.restart ?? RESTART;
    this.#steadyMs = restart.steadyMs;
    this.#backoff = new Backoff(restart);
    this.#hangMs = options.hangMs ?? HANG_MS;
  }

  start(): void {
    const { name, file } = this.#spec;
    const child = spawn(process.execPath, [...NODE_FLAGS, file], {
      env: { ...serviceEnv(name, this.#options.env), ...codeCache() },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A group of its own: Ctrl-C in a terminal reaches the supervisor alone, which ends things in
      // order, and what a service started can be ended with it.
      detached: true,
    });
    this.#state = { is: 'running', child, sinceMs: Date.now() };
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => this.#options.lines.write(line, name));
    }
    // 'error' without a process, e.g. for want of memory, has no 'exit'.
    child.once('error', (error) => {
      if (child.pid === undefined) this.#handleEnd(child, error.message);
    });
    child.once('exit', (code, signal) => this.#handleEnd(child, signal ?? `status ${code ?? '?'}`));
    if (child.pid === undefined) return;
    this.#watch(child);
    this.#options.log.info({ name, pid: child.pid }, 'service started');
  }

  /**
   * Ends a child that hangs: one that said it is alive, and does not any more (server/service.ts). It is counted
   * in ticks of a timer here: where the whole machine slept or is overloaded, they are late as well.
   */
  #watch(child: ChildProcess): void {
    const { name } = this.#spec;
    let silentTicks: number | undefined;
    child.on('message', () => (silentTicks = 0));
    const timer = setInterval(() => {
      if (silentTicks === undefined) return;
      silentTicks += 1;
      if (silentTicks * TICK_MS < this.#hangMs) return;
      this.#options.log.error({ name, pid: child.pid, silentMs: silentTicks * TICK_MS }, 'service hangs');
      clearInterval(timer);
      endGroup(child);
    }, TICK_MS);
    child.once('exit', () => clearInterval(timer));
  }

  #handleEnd(child: ChildProcess, how: string): void {
    endGroup(child);
    const state = this.#state;
    if (state.is !== 'running' || state.child !== child) return;
    this.#ends += 1;
    // The first end after a good run is an accident: a class waits for it.
    const isSteady = Date.now() - state.sinceMs >= this.#steadyMs;
    if (isSteady) this.#backoff.reset();
    const restartInMs = isSteady ? 0 : this.#backoff.failed();
    this.#state = { is: 'waiting', timer: setTimeout(() => this.start(), restartInMs) };
    this.#options.log.warn({ name: this.#spec.name, how, restartInMs }, 'service ended');
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (!(await this.#isReady(signal))) {
      signal.throwIfAborted();
      if (this.#ends >= START_TRIES) {
        throw new SetupError(`${this.#spec.name} does not start: its last lines above say why.`);
      }
      await sleep(READY_POLL_MS, undefined, { signal });
    }
  }

  async #isReady(signal: AbortSignal): Promise<boolean> {
    // While it is down something else may answer on its port.
    if (this.#state.is !== 'running') return false;
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_LIMIT_MS)]);
      const response = await fetch(this.#spec.readyUrl, { signal: limit });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    const state = this.#state;
    if (state.is === 'waiting') clearTimeout(state.timer);
    this.#state = { is: 'closed' };
    if (state.is !== 'running') return;
    const { child } = state;
    this.#state = { is: 'closing', child };
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.#options.log.warn({ name: this.#spec.name }, 'service did not close in time');
      endGroup(child);
    }, CLOSE_LIMIT_MS);
    await gone;
    clearTimeout(timer);
    this.#state = { is: 'closed' };
  }

  kill(): void {
    const state = this.#state;
    this.#state = { is: 'closed' };
    if (state.is === 'waiting') clearTimeout(state.timer);
    if (state.is === 'running' || state.is === 'closing') endGroup(state.child);
  }
}

/** Ends a service's process and whatever it left behind. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing of it was left.
  }
}
