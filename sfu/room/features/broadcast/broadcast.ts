// The room's broadcast: what is wanted (remembered) and what the gateway says (shown to everyone).
import type { Log } from '#server/log.ts';
import type { MediaTime } from '#shared/contract/events.ts';
import type { BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import type { BroadcastStatus, Teaching } from '#shared/contract/internal.ts';
import type {
  AbsentEnd,
  BroadcastRun,
  BroadcastView,
  RecordingChosen,
} from '#shared/contract/features/broadcast.ts';
import { broadcastLifecycle, type BroadcastEvent } from '#shared/domain/lifecycle.ts';
import { recordingOf, type RecordingMode } from '#shared/domain/recording.ts';
import { BroadcastStatement } from './statement.ts';
import type { FeedSource, Gateway, RoomMedia } from '../../ports.ts';

const IDLE: BroadcastView = {
  id: null,
  state: 'idle',
  startedAtMs: null,
  notice: null,
  audience: 0,
  recording: false,
  recordingChoice: 'on',
  recordingMode: 'automatic',
  onBreak: false,
  waitMs: null,
  waitEndsAtMs: null,
  end: null,
  recordedMs: null,
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
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How many watch by WHEP: the gateway does not know of them. */
  readonly whepViewers: () => number;
  /** What those who teach do now. */
  readonly teaching: () => Teaching;
  /** What somebody chose of the recording. */
  readonly chosen: () => RecordingChosen | undefined;
  /** The gateway's rules for viewing or publishing changed. */
  readonly onAccessChanged: () => void;
  /** The view changed. */
  readonly onChange: (view: BroadcastView) => void;
  /** The gateway ended it, or it failed: it is wanted no more. */
  readonly onOver: (absent?: AbsentEnd) => void;
}

export class BroadcastFeature {
  readonly #options: BroadcastOptions;
  #view: BroadcastView = IDLE;
  #accessEpoch: number | undefined;
  /** How much of the run was broadcast so far, in ms, and when the gateway said so. */
  #durationMs: number | null = null;
  #heardAtMs = 0;
  /** How much of the run is recorded, in ms; null while nothing is. */
  #recordedMs: number | null = null;
  /** The run that is on air, or the last one while its end is not yet acknowledged. */
  #statement: { readonly run: BroadcastRun; readonly loop: BroadcastStatement } | null = null;

  constructor(options: BroadcastOptions) {
    this.#options = options;
  }

  /** The last run ended while nobody who teaches was there: they learn of it when they are back. */
  recall({ broadcast, durationMs }: AbsentEnd): void {
    const { recordingMode } = this.#view;
    this.#view = {
      ...IDLE,
      recordingMode,
      id: broadcast,
      state: 'ended',
      end: 'absent',
      recordedMs: durationMs,
    };
  }

  get view(): BroadcastView {
    return this.#withChoice(this.#view);
  }

  /** The run that is on air and how much of it there is, as far as the gateway said; null while none is. */
  get mediaTime(): MediaTime {
    const { run } = this;
    if (run === null) return null;
    const ranMs = this.#view.state === 'live' ? this.#options.now() - this.#heardAtMs : 0;
    return { broadcast: run.id, ms: Math.max(0, (this.#durationMs ?? 0) + ranMs) };
  }

  /** The run that is wanted on air now. */
  get run(): BroadcastRun | null {
    return this.#isOn() ? (this.#statement?.run ?? null) : null;
  }

  /** The lesson says of its recordings. */
  setMode(recordingMode: RecordingMode): void {
    if (recordingMode !== this.#view.recordingMode) this.#set({ ...this.#view, recordingMode });
  }

  /** Somebody chose: the gateway is told at once. */
  chose(): void {
    this.#statement?.loop.changed();
    this.#set(this.#view);
  }

  /** Starts a run, or after a restart goes on with it. The caller has said so. */
  start(run: BroadcastRun): void {
    this.#statement?.loop.close();
    const { lesson, gateway, log, teaching, chosen } = this.#options;
    this.#view = { ...IDLE, recordingMode: this.#view.recordingMode };
    this.#durationMs = null;
    this.#recordedMs = null;
    const events = {
      status: (status: BroadcastStatus) => this.#heard(run, status),
      trouble: (notice: BroadcastNotice) => this.#move('gap', { notice, recording: false }),
    };
    this.#statement = {
      run,
      loop: new BroadcastStatement({ lesson, run, gateway, log, events, teaching, chosen }),
    };
    this.#set({ ...this.#view, id: run.id, state: broadcastLifecycle.next('idle', 'start') });
  }

  show(sources: readonly FeedSource[], media: RoomMedia | null): void {
    if (this.#isOn()) this.#statement?.loop.show(sources, media);
  }

  /** True for what goes out, and while nothing does. */
  carries(producerId: string): boolean {
    return !this.#isOn() || (this.#statement?.loop.carries(producerId) ?? true);
  }

  /** Ends the run. The caller has said so. */
  stop(): void {
    if (!this.#isOn()) return;
    this.#statement?.loop.end();
    this.#over('stop', { notice: null, end: 'stopped' });
  }

  /** Lets go of everything; the gateway is not told. */
  close(): void {
    this.#statement?.loop.close();
    this.#statement = null;
  }

  #heard(run: BroadcastRun, status: BroadcastStatus): void {
    if (this.#statement?.run !== run || !this.#isOn()) return;
    const event = MEANING[status.state];
    if (status.durationMs > 0) this.#durationMs = status.durationMs;
    this.#heardAtMs = this.#options.now();
    if (status.recordedMs > 0) this.#recordedMs = status.recordedMs;
    if (event === 'stop' || event === 'fail') {
      this.#statement.loop.close();
      // Nobody here stopped it: it was the end of the wait.
      const isAbsent = event === 'stop';
      this.#over(event, { notice: status.notice, end: isAbsent ? 'absent' : null });
      this.#options.onOver(isAbsent ? { broadcast: run.id, durationMs: this.#recordedMs } : undefined);
      // What was chosen was of that one.
      this.#set(this.#view);
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
      recording: status.state === 'live' && status.diskTrouble === null && status.recording === 'on',
      recordingMode: status.recordingMode,
      diskTrouble: status.diskTrouble,
      onBreak: status.state === 'live' && this.#options.teaching() === 'break',
      waitMs: status.waitMs ?? null,
      waitEndsAtMs: status.waitEndsAtMs,
    });
  }

  #over(event: 'stop' | 'fail', why: Pick<BroadcastView, 'notice' | 'end'>): void {
    this.#move(event, { ...why, ...OFF_AIR, recordedMs: this.#recordedMs });
  }

  /** Makes the move if the table has it, else stays: `gap` while interrupted changes nothing. */
  #move(event: BroadcastEvent | null, changes: Partial<BroadcastView>): void {
    const { state } = this.#view;
    const next = event === null ? state : (broadcastLifecycle.peek(state, event) ?? state);
    this.#set({ ...this.#view, ...changes, state: next });
  }

  #set(changed: BroadcastView): void {
    const before = this.#view;
    const view = this.#withChoice(changed);
    if (JSON.stringify(view) === JSON.stringify(before)) return;
    this.#view = view;
    const { lesson, log, onChange } = this.#options;
    const { id: broadcast, state, notice } = view;
    if (state !== before.state) log.info({ lesson, broadcast, notice }, `broadcast ${state}`);
    onChange(view);
  }

  #withChoice(view: BroadcastView): BroadcastView {
    return { ...view, recordingChoice: recordingOf(view.recordingMode, this.#options.chosen()?.choice) };
  }

  #isOn(): boolean {
    return ['starting', 'live', 'interrupted'].includes(this.#view.state);
  }
}
