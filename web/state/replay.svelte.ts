// One class as it is watched again: its addresses, its player, and its parts, chapters and chat in time with the picture.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { Recording, ReplayChapter, ReplayIssued, ReplayMessage } from '#shared/contract/rest.ts';
import { MAX_TIMER_MS } from '#shared/domain/timers.ts';
import type { Api } from '../engine/api.ts';
import { ChatPages } from '../engine/player/chat-pages.ts';
import { recallPlace, rememberPlace } from '../engine/player/left-off.ts';
import type { PlayerClock, LevelChoice, Mark, PicturePort } from '../engine/player/ports.ts';
import type { ReplayPlayer, ReplayPlayerOptions, ReplayState } from '../engine/player/replay-player.ts';
import { expiresAtMs, thumbnailAddress } from '../engine/player/signed-address.ts';
import type { StorePort } from '../engine/ports.ts';
import { trimsOf, untrimsOf, type PartTrim } from '../engine/player/trims.ts';
import { isRetryable } from '../engine/retryable.ts';
import { Moments } from './moments.svelte.ts';
import { ReplayEdit } from './replay-edit.svelte.ts';
import { marksOfParts, PlaybackTimeline } from '../engine/player/playback-timeline.ts';
import { Thumbnails } from './thumbnails.svelte.ts';

export type { LevelChoice };
export type ReplayChat = ReplayMessage & {
  /** When it was written, in seconds of the replay. */
  readonly atS: number;
};

export type ReplayMark = ReplayChapter & {
  /** Where it begins, in seconds of the replay. */
  readonly atS: number;
};

export interface ShownPart {
  /** From 1. */
  readonly number: number;
  /** In ms since 1970. */
  readonly startedAtMs: number;
}

/** Where another part of the class begins. */
export interface ReplaySeam extends ShownPart {
  /** In seconds of the replay. */
  readonly atS: number;
}

/** How often to look whether a recording is ready, in ms. */
const NOT_READY_ASK_MS = 2_000;
/** How long after a retryable refusal to ask again, in ms. */
const REFUSED_ASK_MS = 3_000;
/** Addresses are renewed so long before they expire, in ms. */
const RENEW_BEFORE_MS = 300_000;
const RENEW_MIN_MS = 5_000;
/**
 * The page of a later part begins so far behind where it meets the one before, in s: a player that begins just there
 * may have the picture of one and the sound of the other.
 */
const BEHIND_SEAM_S = 0.1;
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
  readonly pictures: PicturePort;
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
  /** What the player knows of the playlist. */
  #marks = $state.raw<readonly Mark[]>([]);
  #autoplay = $state<'playing' | 'muted' | 'blocked'>('playing');
  #resumedAtS = $state<number | null>(null);
  /** Where the picture was when that was kept last, or where it begins. */
  #keptAtS = 0;
  /** Under which name that is kept; undefined before anything is known of the replay. */
  #place: string | undefined;
  #player: ReplayPlayer | undefined;
  #closed = false;
  #asking = false;
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

  readonly #timeline = $derived.by(() => {
    if (this.#marks.length > 0) return new PlaybackTimeline(this.#marks);
    return new PlaybackTimeline(this.#phase.name === 'ready' ? marksOfParts(this.#phase.issued.parts) : []);
  });
  readonly #seams = $derived.by((): readonly ReplaySeam[] => {
    const [, ...later] = this.#phase.name === 'ready' ? this.#phase.issued.parts : [];
    return later.map(({ startedAtMs }, index) => {
      return { number: index + 2, startedAtMs, atS: this.positionOf(startedAtMs) };
    });
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
  /** Over the seek bar. */
  readonly thumbnails: Thumbnails;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const { api, recording, invite, clock, pictures } = options;
    this.moments = new Moments((q) => api.searchReplay(recording, invite, q), clock);
    this.thumbnails = new Thumbnails({
      pictures,
      clock,
      addressOf: (atS) => {
        const { number } = this.partAt(atS);
        const part = this.#phase.name === 'ready' ? this.#phase.issued.parts[number - 1] : undefined;
        return part && thumbnailAddress(part.hls, Math.floor(atS - (this.#seams[number - 2]?.atS ?? 0)));
      },
    });
    this.edit = new ReplayEdit({
      trim: (wanted) => this.#trim((parts) => trimsOf(parts, wanted)),
      untrim: () => this.#trim(untrimsOf),
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
    if (this.#place !== undefined) rememberPlace(this.#options.store, this.#place, positionS, lengthS);
  }

  /** It begins where it was left, or with the part that was asked for if that is a later one. */
  #begin({ recording, parts: [first = recording] }: ReplayIssued): void {
    this.#place = first.id;
    const isFirst = recording.id === first.id;
    const fromS = isFirst ? 0 : this.positionOf(recording.startedAtMs) + BEHIND_SEAM_S;
    const leftAtS = recallPlace(this.#options.store, first.id);
    this.#resumedAtS = leftAtS > fromS ? leftAtS : null;
    this.#keptAtS = this.#resumedAtS ?? fromS;
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

  /** Where its second part begins, and those after it; none for a class of one part. */
  get seams(): readonly ReplaySeam[] {
    return this.#seams;
  }

  /** The part that is shown at `positionS`. */
  partAt(positionS: number): ShownPart {
    const [first] = this.#phase.name === 'ready' ? this.#phase.issued.parts : [];
    const seam = this.#seams.findLast(({ atS }) => atS <= positionS);
    return seam ?? { number: 1, startedAtMs: first?.startedAtMs ?? 0 };
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
      address: () => (this.#phase.name === 'ready' ? this.#phase.issued.hls : ''),
      events: {
        state: (state) => this.#onPlayer(state),
        levels: (choice) => (this.#levels = choice),
        marks: (marks) => (this.#marks = marks),
        autoplay: (outcome) => (this.#autoplay = outcome),
      },
    });
    this.#player = player;
    return () => {
      player.close();
      this.#player = undefined;
    };
  }

  #onPlayer(state: ReplayState): void {
    this.#playing = state;
    // Its addresses were revoked, or one of its parts was deleted: there are others.
    if (state.name === 'retrying' && state.failure.kind === 'refused') void this.#ask();
  }

  chooseLevel(index: number | null): void {
    this.#player?.chooseLevel(index);
  }

  /** Changes what is shown of the parts that `trimsOf` names. Rejects with a LecternError. */
  async #trim(trimsOf: (parts: readonly Recording[]) => PartTrim[]): Promise<void> {
    const parts = this.#phase.name === 'ready' ? this.#phase.issued.parts : [];
    for (const { id, trim } of trimsOf(parts)) await this.#options.api.changeRecording(id, { trim });
    // It is another film now.
    this.#pages.restart();
    this.moments.again();
    this.#keep(0, 0);
    this.thumbnails.clear();
    this.retry();
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
    this.thumbnails.close();
    this.#player?.close();
  }

  async #ask(): Promise<void> {
    const { api, recording, invite, clock } = this.#options;
    if (this.#asking) return;
    this.#asking = true;
    this.#cancelAsk();
    let pauseMs: number | null;
    try {
      const issued = await api.issueReplay(recording, invite);
      pauseMs = this.#onAnswer(issued);
    } catch (error) {
      pauseMs = this.#onRefusal(codeOf(error));
    }
    this.#asking = false;
    if (this.#closed || pauseMs === null) return;
    this.#cancelAsk = clock.after(Math.min(pauseMs, MAX_TIMER_MS), () => void this.#ask());
  }

  #onAnswer(issued: ReplayIssued): number | null {
    const { state } = issued.recording;
    if (state === 'failed') {
      this.#phase = { name: 'failed', title: issued.title };
      return null;
    }
    if (state !== 'ready') {
      this.#phase = { name: 'not-ready', title: issued.title };
      return NOT_READY_ASK_MS;
    }
    this.#phase = { name: 'ready', issued };
    if (this.#place === undefined) this.#begin(issued);
    void this.#askChapters();
    return Math.max(RENEW_MIN_MS, expiresAtMs(issued.hls) - this.#options.wallMs() - RENEW_BEFORE_MS);
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
    return this.#timeline.wallMsAt(positionS);
  }

  /** The replay's second at which the class was at `wallMs`. */
  positionOf(wallMs: number): number {
    return Math.max(0, this.#timeline.positionOf(wallMs));
  }

  #onRefusal(code: ErrorCode): number | null {
    const retryable = isRetryable(code);
    if (retryable && this.#phase.name === 'ready') return REFUSED_ASK_MS;
    this.#phase = { name: 'refused', code };
    return retryable ? REFUSED_ASK_MS : null;
  }
}
