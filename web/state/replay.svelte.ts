// One recording as it is watched: its addresses, its player, and its chapters and chat in time with the picture.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { ReplayChapter, ReplayIssued, ReplayMessage } from '#shared/contract/rest.ts';
import { MAX_TIMER_MS } from '#shared/domain/timers.ts';
import type { Api } from '../engine/api.ts';
import { ChatPages } from '../engine/player/chat-pages.ts';
import { recallPlace, rememberPlace } from '../engine/player/left-off.ts';
import type { PlayerClock, LevelChoice } from '../engine/player/ports.ts';
import type { ReplayPlayer, ReplayPlayerOptions, ReplayState } from '../engine/player/replay-player.ts';
import { expiresAtMs } from '../engine/player/signed-address.ts';
import type { StorePort } from '../engine/ports.ts';
import { isRetryable } from '../engine/retryable.ts';
import { Moments } from './moments.svelte.ts';
import { ReplayEdit } from './replay-edit.svelte.ts';
import { PlaybackTimeline } from '../engine/player/playback-timeline.ts';

export type { LevelChoice };
export type ReplayChat = ReplayMessage & {
  /** When it was written, in seconds of the replay. */
  readonly atS: number;
};

export type ReplayMark = ReplayChapter & {
  /** Where it begins, in seconds of the replay. */
  readonly atS: number;
};

/** How often to look whether a recording is ready, in ms. */
const NOT_READY_ASK_MS = 2_000;
/** How long after a retryable refusal to ask again, in ms. */
const REFUSED_ASK_MS = 3_000;
/** Addresses are renewed so long before they expire, in ms. */
const RENEW_BEFORE_MS = 300_000;
const RENEW_MIN_MS = 5_000;
/** How far it plays until the place is kept again, in s. */
const KEEP_EVERY_S = 5;

export type ReplayPhase =
  | { readonly name: 'loading' }
  | { readonly name: 'refused'; readonly code: ErrorCode }
  | { readonly name: 'not-ready'; readonly title: string }
  | { readonly name: 'failed'; readonly title: string }
  | { readonly name: 'ready'; readonly issued: ReplayIssued };

export interface ReplayOptions {
  readonly recording: string;
  readonly invite: string;
  readonly api: Api;
  readonly clock: PlayerClock;
  readonly random: () => number;
  /** In ms since 1970. */
  readonly wallMs: () => number;
  /** What the browser keeps. */
  readonly store: StorePort;
  readonly createPlayer: (
    video: HTMLVideoElement,
    options: Pick<ReplayPlayerOptions, 'fromS' | 'address' | 'events'>,
  ) => ReplayPlayer;
}

export class ReplayStore {
  readonly #options: ReplayOptions;
  #phase = $state.raw<ReplayPhase>({ name: 'loading' });
  #playing = $state.raw<ReplayState>({ name: 'opening' });
  #levels = $state.raw<LevelChoice>({ levels: [], current: null, chosen: null });
  #timeline = $state.raw(new PlaybackTimeline([]));
  #autoplay = $state<'playing' | 'muted' | 'blocked'>('playing');
  #resumedAtS = $state<number | null>(null);
  #keptAtS = 0;
  #player: ReplayPlayer | undefined;
  #closed = false;
  #cancelAsk: () => void = () => undefined;

  readonly #pages: ChatPages;
  #messages = $state.raw<readonly ReplayMessage[]>([]);
  #chatState = $state<'loading' | 'failed' | 'ready'>('loading');
  #hasEarlierChat = $state(false);
  #hasNoChat = $state(false);

  readonly #chat = $derived.by((): readonly ReplayChat[] => {
    if (this.#phase.name !== 'ready') return [];
    return this.#messages.map((message) => ({ ...message, atS: this.positionOf(message.sentAtMs) }));
  });

  #marked = $state.raw<readonly ReplayChapter[]>([]);
  #cancelChapters: () => void = () => undefined;
  readonly #chapters = $derived.by((): readonly ReplayMark[] =>
    this.#marked.map((chapter) => ({ ...chapter, atS: this.positionOf(chapter.markedAtMs) })),
  );

  /** The search. */
  readonly moments: Moments;
  /** What its owner changes of it. */
  readonly edit: ReplayEdit;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const { api, recording, invite, clock, store } = options;
    this.#keptAtS = recallPlace(store, recording);
    this.#resumedAtS = this.#keptAtS > 0 ? this.#keptAtS : null;
    this.moments = new Moments((q) => api.searchReplay(recording, invite, q), clock);
    this.edit = new ReplayEdit({
      trim: async (trim) => {
        await api.changeRecording(recording, { trim });
        // It is another film now.
        this.#pages.restart();
        this.moments.again();
        this.#keep(0, 0);
        this.retry();
      },
    });
    this.#pages = new ChatPages({
      ask: (place) => api.replayChat(recording, invite, place),
      clock,
      changed: () => {
        this.#messages = this.#pages.messages;
        this.#chatState = this.#pages.state;
        this.#hasEarlierChat = this.#pages.hasEarlier;
        this.#hasNoChat = this.#pages.isEmpty;
      },
    });
    void this.#ask();
  }

  get phase(): ReplayPhase {
    return this.#phase;
  }

  /** Where it goes on since it was left there, in s; null if it began at the beginning, or went elsewhere since. */
  get resumedAtS(): number | null {
    return this.#resumedAtS;
  }

  /** The picture is at `positionS` of `lengthS`: what is watched again later goes on there. */
  watchedTo(positionS: number, lengthS: number): void {
    // Before anything is shown the element is at its beginning.
    if (this.#playing.name === 'playing' && Math.abs(positionS - this.#keptAtS) >= KEEP_EVERY_S)
      this.#keep(positionS, lengthS);
  }

  /** The person went to `positionS` of `lengthS`. */
  sought(positionS: number, lengthS: number): void {
    this.#resumedAtS = null;
    this.#player?.beginAt(positionS);
    this.#keep(positionS, lengthS);
  }

  #keep(positionS: number, lengthS: number): void {
    this.#keptAtS = positionS;
    rememberPlace(this.#options.store, this.#options.recording, positionS, lengthS);
  }

  get playing(): ReplayState {
    return this.#playing;
  }

  get levels(): LevelChoice {
    return this.#levels;
  }

  /** The messages around the place that is played. */
  get chat(): readonly ReplayChat[] {
    return this.#chat;
  }

  get chatState(): 'loading' | 'failed' | 'ready' {
    return this.#chatState;
  }

  /** More was written before the first of `chat`. */
  get hasEarlierChat(): boolean {
    return this.#hasEarlierChat;
  }

  /** Nobody wrote anything in this class. */
  get hasNoChat(): boolean {
    return this.#hasNoChat;
  }

  /** What was marked in this class, in the order of time. */
  get chapters(): readonly ReplayMark[] {
    return this.#chapters;
  }

  /** The picture is at `positionS`: its chat is loaded. */
  chatAt(positionS: number): void {
    if (this.#phase.name === 'ready') this.#pages.moveTo(Math.max(0, Math.round(this.wallMsAt(positionS))));
  }

  /** Leaves a message out for all but the owner, or no longer. Rejects with a LecternError. */
  async hide({ id }: ReplayMessage, hidden: boolean): Promise<void> {
    await this.#options.api.hideMessage(this.#options.recording, id, hidden);
    this.#pages.setHidden(id, hidden);
  }

  /** Loads what was written before the first of `chat`. */
  earlierChat(): Promise<void> {
    return this.#pages.earlier();
  }

  get autoplay(): 'playing' | 'muted' | 'blocked' {
    return this.#autoplay;
  }

  /** The person pressed for sound. */
  heard(): void {
    this.#autoplay = 'playing';
  }

  /** Plays into the element. Returns the function that lets it go. */
  attach(video: HTMLVideoElement): () => void {
    const player = this.#options.createPlayer(video, {
      fromS: this.#keptAtS,
      address: () => (this.#phase.name === 'ready' ? this.#phase.issued.recording.hls : ''),
      events: {
        state: (state) => (this.#playing = state),
        levels: (choice) => (this.#levels = choice),
        marks: (marks) => (this.#timeline = new PlaybackTimeline(marks)),
        autoplay: (outcome) => (this.#autoplay = outcome),
      },
    });
    this.#player = player;
    return () => {
      player.close();
      this.#player = undefined;
    };
  }

  chooseLevel(index: number | null): void {
    this.#player?.chooseLevel(index);
  }

  retry(): void {
    this.#phase = { name: 'loading' };
    void this.#ask();
  }

  close(): void {
    this.#closed = true;
    this.#cancelAsk();
    this.#cancelChapters();
    this.#pages.close();
    this.moments.close();
    this.#player?.close();
  }

  async #ask(): Promise<void> {
    const { api, recording, invite, clock } = this.#options;
    this.#cancelAsk();
    let pauseMs: number | null;
    try {
      const issued = await api.issueReplay(recording, invite);
      pauseMs = this.#onAnswer(issued);
    } catch (error) {
      pauseMs = this.#onRefusal(codeOf(error));
    }
    if (this.#closed || pauseMs === null) return;
    this.#cancelAsk = clock.after(Math.min(pauseMs, MAX_TIMER_MS), () => void this.#ask());
  }

  #onAnswer(issued: ReplayIssued): number | null {
    const { state, hls } = issued.recording;
    if (state === 'failed') {
      this.#phase = { name: 'failed', title: issued.title };
      return null;
    }
    if (state !== 'ready') {
      this.#phase = { name: 'not-ready', title: issued.title };
      return NOT_READY_ASK_MS;
    }
    this.#phase = { name: 'ready', issued };
    void this.#askChapters();
    return Math.max(RENEW_MIN_MS, expiresAtMs(hls) - this.#options.wallMs() - RENEW_BEFORE_MS);
  }

  /** They are few: all of them are asked for, with each new address. */
  async #askChapters(): Promise<void> {
    const { api, recording, invite, clock } = this.#options;
    this.#cancelChapters();
    try {
      const { chapters } = await api.replayChapters(recording, invite);
      this.#marked = chapters;
    } catch (error) {
      if (this.#closed || !isRetryable(codeOf(error))) return;
      this.#cancelChapters = clock.after(REFUSED_ASK_MS, () => void this.#askChapters());
    }
  }

  /** When the class was where the replay is at `positionS`, in ms since 1970. */
  wallMsAt(positionS: number): number {
    if (!this.#timeline.empty) return this.#timeline.wallMsAt(positionS);
    const startedAtMs = this.#phase.name === 'ready' ? this.#phase.issued.recording.startedAtMs : 0;
    return startedAtMs + positionS * 1_000;
  }

  /** The replay's second at which the class was at `wallMs`. */
  positionOf(wallMs: number): number {
    if (!this.#timeline.empty) return Math.max(0, this.#timeline.positionOf(wallMs));
    const startedAtMs = this.#phase.name === 'ready' ? this.#phase.issued.recording.startedAtMs : wallMs;
    return Math.max(0, (wallMs - startedAtMs) / 1_000);
  }

  #onRefusal(code: ErrorCode): number | null {
    const retryable = isRetryable(code);
    if (retryable && this.#phase.name === 'ready') return REFUSED_ASK_MS;
    this.#phase = { name: 'refused', code };
    return retryable ? REFUSED_ASK_MS : null;
  }
}
