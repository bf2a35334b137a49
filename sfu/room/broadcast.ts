// The room's broadcast: what is wanted (journalled) and what the gateway says (shown to everyone).
import type { Log } from '#server/log.ts';
import type { BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import type { BroadcastStatus, Teaching } from '#shared/contract/internal.ts';
import type { BroadcastView } from '#shared/contract/signalling.ts';
import { broadcastLifecycle, type BroadcastEvent } from '#shared/domain/lifecycle.ts';
import { Airing } from './airing.ts';
import type { FeedSource, Gateway, RoomMedia } from './ports.ts';
import type { AbsentEnd, BroadcastRun } from './record.ts';

const IDLE: BroadcastView = {
  id: null,
  state: 'idle',
  startedAtMs: null,
  notice: null,
  audience: 0,
  recording: false,
  onBreak: false,
  waitMs: null,
  waitEndsAtMs: null,
  end: null,
  durationMs: null,
  diskTrouble: null,
};

/** What is so of no broadcast that is over. */
const OFF_AIR = { audience: 0, recording: false, diskTrouble: null, onBreak: false, waitEndsAtMs: null };

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
  /** What those who teach do now. */
  readonly teaching: () => Teaching;
  /** The gateway's rules for viewing or publishing changed. */
  readonly onAccessChanged: () => void;
  /** The view changed. */
  readonly onChange: (view: BroadcastView) => void;
  /** The gateway ended it, or it failed: it is wanted no more. */
  readonly onOver: (absent?: AbsentEnd) => void;
}

export class Broadcast {
  readonly #options: BroadcastOptions;
  #view: BroadcastView = IDLE;
  #accessEpoch: number | undefined;
  /** How much of the run was broadcast so far, in ms. */
  #durationMs: number | null = null;
  /** The run that is on air, or the last one while its end is not yet acknowledged. */
  #airing: { readonly run: BroadcastRun; readonly loop: Airing } | null = null;

  constructor(options: BroadcastOptions) {
    this.#options = options;
  }

  /** The last run ended while nobody who teaches was there: they learn of it when they are back. */
  recall({ broadcast, durationMs }: AbsentEnd): void {
    this.#view = { ...IDLE, id: broadcast, state: 'ended', end: 'absent', durationMs };
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
    const { lesson, gateway, log, teaching } = this.#options;
    this.#view = IDLE;
    this.#durationMs = null;
    const events = {
      status: (status: BroadcastStatus) => this.#heard(run, status),
      trouble: (notice: BroadcastNotice) => this.#move('gap', { notice, recording: false }),
    };
    this.#airing = {
      run,
      loop: new Airing({ lesson, run, gateway, log, events, teaching }),
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
    this.#over('stop', { notice: null, end: 'stopped' });
  }

  /** Lets go of everything; the gateway is not told. */
  close(): void {
    this.#airing?.loop.close();
    this.#airing = null;
  }

  #heard(run: BroadcastRun, status: BroadcastStatus): void {
    if (this.#airing?.run !== run || !this.#isOn()) return;
    const event = MEANING[status.state];
    if (status.durationMs > 0) this.#durationMs = status.durationMs;
    if (event === 'stop' || event === 'fail') {
      this.#airing.loop.close();
      // Nobody here stopped it: it was the end of the wait.
      const isAbsent = event === 'stop';
      this.#over(event, { notice: status.notice, end: isAbsent ? 'absent' : null });
      this.#options.onOver(isAbsent ? { broadcast: run.id, durationMs: this.#durationMs } : undefined);
      return;
    }
    const { flv, hls, rtmp } = status.viewers;
    const { accessEpoch } = status;
    if (this.#accessEpoch !== undefined && accessEpoch !== this.#accessEpoch) this.#options.onAccessChanged();
    this.#accessEpoch = accessEpoch;
    this.#move(event, {
      startedAtMs: status.startedAtMs,
      notice: status.notice,
      audience: flv + hls + rtmp + this.#options.whepViewers(),
      recording: status.state === 'live' && status.diskTrouble === null,
      diskTrouble: status.diskTrouble,
      onBreak: status.state === 'live' && this.#options.teaching() === 'break',
      waitMs: status.waitMs ?? null,
      waitEndsAtMs: status.waitEndsAtMs,
    });
  }

  #over(event: 'stop' | 'fail', why: Pick<BroadcastView, 'notice' | 'end'>): void {
    const durationMs = this.#durationMs;
    this.#move(event, { ...why, ...OFF_AIR, durationMs });
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
    const { id: broadcast, state, notice } = view;
    if (state !== before.state) log.info({ lesson, broadcast, notice }, `broadcast ${state}`);
    onChange(view);
  }

  #isOn(): boolean {
    return ['starting', 'live', 'interrupted'].includes(this.#view.state);
  }
}
