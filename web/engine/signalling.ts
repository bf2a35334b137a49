// The conversation with the SFU: typed requests with acknowledgements, checked facts, and a connection
// that is tried forever. It knows nothing of rooms or media.
import { io, type Socket } from 'socket.io-client';
import { z } from 'zod';
import { backoffMs } from '#shared/backoff.ts';
import { ErrorBody, ErrorCode, LecternError } from '#shared/contract/errors.ts';
import {
  FACTS,
  REQUESTS,
  type FactData,
  type FactName,
  type RequestInput,
  type RequestName,
  type RequestResult,
} from '#shared/contract/signalling.ts';
import { Emitter } from './emitter.ts';
import { isRetryable } from './retryable.ts';
import type { NetworkPort } from './ports.ts';

/** How long an acknowledgement may take, in ms. */
const ACK_TIMEOUT_MS = 8_000;
/** How long one attempt to connect may take, in ms. */
const CONNECT_TIMEOUT_MS = 6_000;
const FIRST_RETRY_MS = 250;
/** A service that restarts is back within two seconds: so many tries are eager, then swift, then patient. */
const EAGER_RETRIES = 6;
const EAGER_RETRY_MS = 400;
const SWIFT_RETRIES = 20;
const SWIFT_RETRY_MS = 1_000;
const PATIENT_RETRY_MS = 5_000;

export type SignalState =
  | { readonly name: 'idle' }
  | { readonly name: 'connecting' }
  | { readonly name: 'connected' }
  | { readonly name: 'reconnecting'; readonly attempt: number }
  | { readonly name: 'refused'; readonly code: ErrorCode }
  | { readonly name: 'closed' };

export type FactEvents = { [Name in FactName]: [fact: FactData<Name>] };
export type SignallingEvents = FactEvents & {
  state: [state: SignalState];
  /** A message that does not fit the contract was dropped. */
  malformed: [name: string, reason: string];
};

export interface SignallingOptions {
  /** The front door's origin; undefined for the page's own. */
  readonly url?: string;
  readonly ticket: string;
  readonly network: NetworkPort;
  /** Replaces Math.random in tests. */
  readonly random?: () => number;
}

/** The error that the server's middleware gave, as socket.io carries it. */
const Refusal = z.object({ data: ErrorBody });
const Answer = z.union([
  z.object({ ok: z.literal(true), data: z.unknown() }),
  z.object({ ok: z.literal(false), error: z.object({ code: ErrorCode, message: z.string() }) }),
]);

/**
 * How long to wait before attempt number `attempt` (from 1), in ms: doubling up to a bound, of which up
 * to a random half is taken off so that a whole class does not come back in the same instant.
 */
export function retryDelayMs(attempt: number, random: () => number): number {
  const full = backoffMs(attempt - 1, { minMs: FIRST_RETRY_MS, maxMs: boundMs(attempt) });
  return full / 2 + (full / 2) * random();
}

function boundMs(attempt: number): number {
  if (attempt <= EAGER_RETRIES) return EAGER_RETRY_MS;
  return attempt <= SWIFT_RETRIES ? SWIFT_RETRY_MS : PATIENT_RETRY_MS;
}

/** One connection to the SFU. `close()` is final and idempotent. */
export class Signalling extends Emitter<SignallingEvents> {
  /** Resumes this session at the next connection; undefined to come as new. */
  session: string | undefined;
  readonly #socket: Socket;
  readonly #random: () => number;
  readonly #offNetwork: (() => void)[];
  #ticket: string;
  #state: SignalState = { name: 'idle' };
  #attempt = 0;
  #wasConnected = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SignallingOptions) {
    super();
    this.#ticket = options.ticket;
    this.#random = options.random ?? Math.random;
    this.#socket = io(options.url ?? '', {
      autoConnect: false,
      // The waiting is done here: socket.io's own cannot be cut short when the network is back.
      reconnection: false,
      timeout: CONNECT_TIMEOUT_MS,
      // WebSocket first saves round trips; polling is for networks that break it.
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      forceNew: true,
      auth: (give) =>
        give({ ticket: this.#ticket, ...(this.session === undefined ? {} : { session: this.session }) }),
    });
    this.#socket.on('connect', () => this.#connected());
    this.#socket.on('connect_error', (error) => this.#failed(error));
    this.#socket.on('disconnect', () => this.#lost());
    for (const name of Object.keys(FACTS) as FactName[]) {
      this.#socket.on(name, (body: unknown) => this.#fact(name, body));
    }
    this.#offNetwork = [
      options.network.onChange(() => this.reconnect()),
      options.network.onVisible(() => {
        if (this.#state.name === 'reconnecting') this.reconnect();
      }),
    ];
  }

  get state(): SignalState {
    return this.#state;
  }

  /** Connects and stays connected until {@link close} or a refusal that will not pass. */
  open(): void {
    if (this.#state.name !== 'idle') return;
    this.#to({ name: 'connecting' });
    this.#socket.connect();
  }

  /** Drops the present connection, if any, and connects again at once. */
  reconnect(): void {
    if (this.#state.name === 'idle' || this.#state.name === 'closed' || this.#state.name === 'refused')
      return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    // The state goes first: the `disconnect` that follows is then not taken for an accident.
    this.#to(this.#wasConnected ? { name: 'reconnecting', attempt: 1 } : { name: 'connecting' });
    this.#socket.disconnect();
    this.#socket.connect();
  }

  /** Goes on with another ticket after `refused('ticket-expired')`. */
  renew(ticket: string): void {
    this.#ticket = ticket;
    if (this.#state.name !== 'refused') return;
    this.#to({ name: 'reconnecting', attempt: 1 });
    this.#socket.connect();
  }

  /**
   * Asks and waits for the acknowledgement. Throws LecternError with the server's code, or
   * `service-unavailable` if there is no connection or no answer in time.
   */
  async request<Name extends RequestName>(
    name: Name,
    input: RequestInput<Name>,
  ): Promise<RequestResult<Name>> {
    if (this.#state.name !== 'connected') throw new LecternError('service-unavailable');
    let raw: unknown;
    try {
      raw = await this.#socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, input);
    } catch {
      throw new LecternError('service-unavailable');
    }
    const answer = Answer.safeParse(raw);
    if (!answer.success) throw new LecternError('internal-error', `${name}: the answer is malformed.`);
    if (!answer.data.ok) throw new LecternError(answer.data.error.code, answer.data.error.message);
    const data = REQUESTS[name].out.safeParse(answer.data.data);
    if (!data.success) throw new LecternError('internal-error', `${name}: the answer is malformed.`);
    return data.data as RequestResult<Name>;
  }

  close(): void {
    if (this.#state.name === 'closed') return;
    clearTimeout(this.#retry);
    for (const off of this.#offNetwork) off();
    this.#to({ name: 'closed' });
    this.#socket.disconnect();
  }

  #fact<Name extends FactName>(name: Name, body: unknown): void {
    const fact = FACTS[name].safeParse(body);
    if (!fact.success) {
      this.emit('malformed', name, fact.error.issues[0]?.message ?? '');
      return;
    }
    // The mapped event type and the table are the same shape by construction.
    (this.emit as (name: FactName, fact: unknown) => void).call(this, name, fact.data);
  }

  #connected(): void {
    this.#attempt = 0;
    this.#wasConnected = true;
    this.#to({ name: 'connected' });
  }

  #failed(error: Error): void {
    if (this.#state.name === 'closed') return;
    const refusal = Refusal.safeParse(error);
    if (refusal.success && !isRetryable(refusal.data.data.error.code)) {
      this.#to({ name: 'refused', code: refusal.data.data.error.code });
      return;
    }
    this.#wait();
  }

  #lost(): void {
    // `reconnect` and `close` disconnect on purpose and have said what comes next.
    if (this.#state.name === 'connected') this.#wait();
  }

  #wait(): void {
    this.#attempt += 1;
    this.#to(this.#wasConnected ? { name: 'reconnecting', attempt: this.#attempt } : { name: 'connecting' });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#socket.connect(), retryDelayMs(this.#attempt, this.#random));
  }

  #to(state: SignalState): void {
    this.#state = state;
    this.emit('state', state);
  }
}
