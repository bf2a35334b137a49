// The room's broadcast: what is wanted (journalled) and what the gateway says (shown to everyone).
import type { Log } from '#server/log.ts';
import type { BroadcastStatus } from '#shared/contract/internal.ts';
import type { BroadcastView } from '#shared/contract/signalling.ts';
import { broadcastLifecycle, type BroadcastEvent } from '#shared/domain/lifecycle.ts';
import { Airing } from './airing.ts';
import type { FeedSource, Gateway, RoomMedia } from './ports.ts';
import type { BroadcastRun } from './record.ts';

const IDLE: BroadcastView = {
  id: null,
  state: 'idle',
  startedAtMs: null,
  reason: null,
  audience: 0,
  recording: false,
};

/** What each word of the gateway means to our own lifecycle. */
const MEANING: Readonly<Record<BroadcastStatus['state'], BroadcastEvent | null>> = {
  starting: null,
  live: 'media',
  interrupted: 'gap',
  ended: 'stop',
  failed: 'fail',
};

export interface BroadcastOptions {
  readonly lesson: string;
  readonly gateway: Gateway;
  readonly log: Log;
  /** How many watch by WHEP: the gateway does not know of them. */
  readonly whepViewers: () => number;
  /** The gateway's rules for viewing changed. */
  readonly onAccessChanged: () => void;
  /** The view changed. */
  readonly onChange: (view: BroadcastView) => void;
  /** The gateway ended it, or it failed: it is wanted no more. */
  readonly onOver: () => void;
}

export class Broadcast {
  readonly #options: BroadcastOptions;
  #view: BroadcastView = IDLE;
  #accessEpoch: number | undefined;
  /** The run that is on air, or the last one while its end is not yet acknowledged. */
  #airing: { readonly run: BroadcastRun; readonly loop: Airing } | null = null;

  constructor(options: BroadcastOptions) {
    this.#options = options;
  }

  get view(): BroadcastView {
    return this.#view;
  }

  /** The run that is wanted on air now. */
  get run(): BroadcastRun | null {
    return this.#isOn() ? (this.#airing?.run ?? null) : null;
  }

  /** Starts a run, or after a restart goes on with it. The caller has journalled it. */
  start(run: BroadcastRun): void {
    this.#airing?.loop.close();
    const { lesson, gateway, log, whepViewers } = this.#options;
    this.#view = IDLE;
    const events = {
      status: (status: BroadcastStatus) => this.#heard(run, status),
      trouble: (reason: string) => this.#move('gap', { reason, recording: false }),
    };
    this.#airing = {
      run,
      loop: new Airing({ lesson, run, gateway, log, events, watched: () => whepViewers() > 0 }),
    };
    this.#set({ ...IDLE, id: run.id, state: broadcastLifecycle.next('idle', 'start') });
  }

  show(sources: readonly FeedSource[], media: RoomMedia | null): void {
    if (this.#isOn()) this.#airing?.loop.show(sources, media);
  }

  /** Ends the run. The caller has journalled it. */
  stop(): void {
    if (!this.#isOn()) return;
    this.#airing?.loop.end();
    this.#over('stop', null);
  }

  /** Lets go of everything; the gateway is not told. */
  close(): void {
    this.#airing?.loop.close();
    this.#airing = null;
  }

  #heard(run: BroadcastRun, status: BroadcastStatus): void {
    if (this.#airing?.run !== run || !this.#isOn()) return;
    const event = MEANING[status.state];
    if (event === 'stop' || event === 'fail') {
      this.#airing.loop.close();
      this.#over(event, status.reason);
      this.#options.onOver();
      return;
    }
    const { flv, hls, rtmp } = status.viewers;
    const { accessEpoch } = status;
    if (this.#accessEpoch !== undefined && accessEpoch !== this.#accessEpoch) this.#options.onAccessChanged();
    this.#accessEpoch = accessEpoch;
    this.#move(event, {
      startedAtMs: status.startedAtMs,
      reason: status.reason,
      audience: flv + hls + rtmp + this.#options.whepViewers(),
      recording: status.state === 'live',
    });
  }

  #over(event: 'stop' | 'fail', reason: string | null): void {
    this.#move(event, { reason, audience: 0, recording: false });
  }

  /** Makes the move if the table has it, else stays: `gap` while interrupted changes nothing. */
  #move(event: BroadcastEvent | null, changes: Partial<BroadcastView>): void {
    const { state } = this.#view;
    const next = event === null ? state : (broadcastLifecycle.peek(state, event) ?? state);
    this.#set({ ...this.#view, ...changes, state: next });
  }

  #set(view: BroadcastView): void {
    const before = this.#view;
    if (JSON.stringify(view) === JSON.stringify(before)) return;
    this.#view = view;
    const { lesson, log, onChange } = this.#options;
    const { id: broadcast, state, reason } = view;
    if (state !== before.state) log.info({ lesson, broadcast, reason }, `broadcast ${state}`);
    onChange(view);
  }

  #isOn(): boolean {
    return ['starting', 'live', 'interrupted'].includes(this.#view.state);
  }
}
