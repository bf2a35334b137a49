// The audience's side of one class: waits for it, plays it, says what is going on, leads to the replay.
import { backoffMs } from '#shared/backoff.ts';
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { PlaybackIssued, Recording, ReplayState } from '#shared/contract/rest.ts';
import type { Api } from '../engine/api.ts';
import { PROTOCOL_PREFERENCES, type ProtocolPreference } from '../engine/player/chooser.ts';
import type { LivePlayer, LivePlayerEvents, PlayerMode, PlayerState } from '../engine/player/live-player.ts';
import { NO_STATS, type PlaybackStats } from '../engine/player/metrics.ts';
import type { PlayerClock, LevelChoice, PicturePort } from '../engine/player/ports.ts';
import type { AttentionPort } from '../engine/ports.ts';
import { isRetryable } from '../engine/retryable.ts';
import { expiresAtMs, thumbnailAddress } from '../engine/player/signed-address.ts';
import { LiveChapters } from './live-chapters.svelte.ts';
import { Thumbnails } from './thumbnails.svelte.ts';

export { PROTOCOL_PREFERENCES };
export type { ProtocolPreference, LevelChoice, PlaybackStats, Recording };

/**
 * Asking whether class began, in ms: with ±25 % nobody who looks waits longer than 2 s. An answer costs the
 * services about 1.3 ms of a core together, so a thousand who wait cost about eight tenths of one.
 */
const WAIT_MS = 1_600;
/** The same while nobody looks, in ms; who looks again is told at once. */
const HIDDEN_WAIT_MS = 10_000;
/** The pauses in asking a server that did not answer, or for a replay. */
const PATIENT = { minMs: 2_000, maxMs: 6_000, growth: 1.3 };
/** While the picture is away, in ms. */
const TROUBLE_ASK_MS = 2_500;
/** After the end of a stream, within about this many ms: all viewers ask at once. */
const ASK_SOON_MS = 1_500;
/** While all is well, in ms. */
const CALM_ASK_MS = 60_000;
/** After so many questions it is settled that nothing was recorded. */
const NONE_ASKS = 10;
/** Addresses are renewed so long before they expire, in ms. */
const RENEW_BEFORE_MS = 120_000;
/** How much of a class that is over may still come, in ms. */
const TAIL_MS = 20_000;
/** What is guessed to be behind the end is looked for this far before it, in s. */
const BEFORE_END_S = 4;
/** A pause shorter than this is not worth a word, in ms. */
const TROUBLE_AFTER_MS = 2_500;

export type WatchPhase =
  | { readonly name: 'loading' }
  | { readonly name: 'refused'; readonly code: ErrorCode }
  | { readonly name: 'waiting'; readonly recordings: readonly Recording[] }
  | { readonly name: 'on-air' }
  | { readonly name: 'ended'; readonly replay: ReplayState; readonly recordings: readonly Recording[] };

/** `interrupted`: the server says that the teacher's picture is away. `offline`: we reach nobody. */
export type Picture = 'opening' | 'playing' | 'buffering' | 'interrupted' | 'offline' | 'paused';

export interface WatchOptions {
  readonly lesson: string;
  readonly invite: string;
  readonly api: Api;
  readonly clock: PlayerClock;
  readonly attention: AttentionPort;
  readonly pictures: PicturePort;
  readonly random: () => number;
  /** In ms since 1970. */
  readonly wallMs: () => number;
  readonly delivery: ProtocolPreference;
  /** The person chose another: to be remembered. */
  readonly onDelivery?: (delivery: ProtocolPreference) => void;
  /** Makes the player for the element, and fetches its code. */
  readonly createPlayer: (video: HTMLVideoElement, events: LivePlayerEvents) => LivePlayer;
}

export type ClassAbout = Pick<PlaybackIssued, 'startedAtMs' | 'teachers' | 'watching'>;

export class WatchStore {
  readonly chapters = new LiveChapters();
  /** Over the seek bar. */
  readonly thumbnails: Thumbnails;
  readonly #options: WatchOptions;
  #phase = $state.raw<WatchPhase>({ name: 'loading' });
  #title = $state('');
  #player = $state.raw<PlayerState>({ name: 'idle' });
  #mode = $state<PlayerMode>('live');
  #levels = $state.raw<LevelChoice>({ levels: [], current: null, chosen: null });
  #stats = $state.raw<PlaybackStats>(NO_STATS);
  #autoplay = $state<'playing' | 'muted' | 'blocked'>('playing');
  #delivery = $state<ProtocolPreference>('auto');
  #reachable = $state(true);
  /** The server's word; a picture that plays proves it out of date. */
  #interrupted = $state(false);
  #watermark = $state<string | null>(null);
  #about = $state.raw<ClassAbout>({ startedAtMs: null, teachers: [], watching: null });
  /** How long the broadcast was when the server said so, in ms; null while that is not known. */
  #seekable: { readonly lengthMs: number; readonly atMs: number } | null = null;
  /** True once a gap has lasted long enough to say so. */
  #gapped = $state(false);
  #issued: PlaybackIssued | undefined;
  #live: LivePlayer | undefined;
  #asks = 0;
  /** Since when the class is over although a picture plays. */
  #overSinceMs: number | null = null;
  #asking = false;
  #gapRuns = false;
  #closed = false;
  #cancelAsk: () => void = () => undefined;
  #cancelGap: () => void = () => undefined;
  readonly #cancelSeen: () => void;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#cancelSeen = options.attention.onVisible(() => {
      if (this.#phase.name === 'waiting') void this.#ask();
    });
    this.#delivery = options.delivery;
    this.thumbnails = new Thumbnails({
      ...options,
      addressOf: (atS) => this.#issued && thumbnailAddress(this.#issued.play.dvr, atS),
    });
    void this.#ask();
  }

  get phase(): WatchPhase {
    return this.#phase;
  }

  /** The teacher's picture is away, as the server says. */
  get interrupted(): boolean {
    return this.#interrupted && !['playing', 'paused'].includes(this.picture);
  }

  /** To be drawn over the picture; null for nothing. */
  get watermark(): string | null {
    return this.#watermark;
  }

  /** What is told of the class next to its picture. */
  get about(): ClassAbout {
    return this.#about;
  }

  /** How long the broadcast is so far, in s; undefined while that is not known. */
  lengthS(): number | undefined {
    if (this.#seekable === null) return undefined;
    const { lengthMs, atMs } = this.#seekable;
    // Nothing is added while the teacher's picture is away.
    return (lengthMs + (this.interrupted ? 0 : this.#options.clock.nowMs() - atMs)) / 1_000;
  }

  get title(): string {
    return this.#title;
  }

  get mode(): PlayerMode {
    return this.#mode;
  }

  get levels(): LevelChoice {
    return this.#levels;
  }

  get stats(): PlaybackStats {
    return this.#stats;
  }

  get delivery(): ProtocolPreference {
    return this.#delivery;
  }

  /** Whether the browser let it play with sound, only without, or not at all. */
  get autoplay(): 'playing' | 'muted' | 'blocked' {
    return this.#autoplay;
  }

  get picture(): Picture {
    const { name } = this.#player;
    if (name === 'playing' || name === 'paused') return name;
    if (!this.#gapped) return name === 'stalled' ? 'buffering' : 'opening';
    if (!this.#reachable) return 'offline';
    if (this.#interrupted) return 'interrupted';
    return name === 'stalled' ? 'buffering' : 'opening';
  }

  /** The element is there: plays into it. Returns the function that lets it go. */
  attach(video: HTMLVideoElement): () => void {
    const player = this.#options.createPlayer(video, {
      state: (state) => this.#onPlayer(state),
      mode: (mode) => this.#onMode(mode),
      marks: (marks) => {
        this.chapters.setTimeline(marks);
        this.#correctPlace();
      },
      levels: (choice) => (this.#levels = choice),
      stats: (stats) => (this.#stats = stats),
      autoplay: (outcome) => (this.#autoplay = outcome),
    });
    this.#live = player;
    if (this.#delivery !== 'auto') player.deliver(this.#delivery);
    if (this.#phase.name === 'on-air' && this.#issued !== undefined) player.start(this.#issued.play);
    return () => {
      player.close();
      this.#live = undefined;
    };
  }

  /** The person pressed for sound. */
  heard(): void {
    this.#autoplay = 'playing';
  }

  deliver(delivery: ProtocolPreference): void {
    this.#delivery = delivery;
    this.#options.onDelivery?.(delivery);
    this.#live?.deliver(delivery);
  }

  chooseLevel(index: number | null): void {
    this.#live?.chooseLevel(index);
  }

  /** Back to second `toS` of the class, or, if negative, that far from now. */
  rewind(toS: number): void {
    this.chapters.forget();
    this.#live?.rewind(toS);
  }

  /** To the beginning of a chapter. Returns where that is, in s, as far as it is known. */
  goToChapter(id: string): number | undefined {
    const lengthS = this.lengthS();
    const toS = this.chapters.seek(id, lengthS && lengthS - BEFORE_END_S);
    if (toS !== undefined) this.#live?.rewind(toS);
    return toS;
  }

  /** Whether `chapters` knows where they are in a broadcast that is `lengthS` long. */
  knowsChapters(lengthS: number | undefined): boolean {
    return this.chapters.isCertain(lengthS, this.#options.wallMs());
  }

  goLive(): void {
    this.chapters.forget();
    this.#live?.goLive();
  }

  /** Asks at once, for the impatient. */
  retry(): void {
    this.#phase = { name: 'loading' };
    void this.#ask();
  }

  close(): void {
    this.#closed = true;
    this.#cancelAsk();
    this.#cancelGap();
    this.#cancelSeen();
    this.thumbnails.close();
    this.#live?.close();
  }

  async #ask(): Promise<void> {
    if (this.#asking || this.#closed) return;
    this.#cancelAsk();
    this.#asking = true;
    this.#asks += 1;
    const { api, lesson, invite } = this.#options;
    try {
      const issued = await api.issuePlayback(lesson, invite);
      if (this.#closed) return;
      this.#reachable = true;
      this.#onAnswer(issued);
    } catch (error) {
      if (this.#closed) return;
      this.#onRefusal(codeOf(error));
    } finally {
      this.#asking = false;
    }
    const pauseMs = this.#pauseMs();
    if (pauseMs !== null) this.#askIn(pauseMs);
  }

  #askIn(delayMs: number): void {
    this.#cancelAsk();
    this.#cancelAsk = this.#options.clock.after(delayMs, () => void this.#ask());
  }

  #onAnswer(issued: PlaybackIssued): void {
    // Another broadcast shows something else at the same second.
    if (issued.startedAtMs !== this.#issued?.startedAtMs) this.thumbnails.clear();
    this.#issued = issued;
    this.#title = issued.lesson.title;
    this.#watermark = issued.watermark;
    this.#about = issued;
    this.#interrupted = issued.onAir === 'interrupted';
    this.chapters.update(issued);
    const { onAir, seekableMs } = issued;
    // Where the gateway did not answer, what was known goes on.
    if (onAir === null) this.#seekable = null;
    else if (seekableMs !== null)
      this.#seekable = { lengthMs: seekableMs, atMs: this.#options.clock.nowMs() };
    if (issued.lesson.state === 'live') {
      this.#overSinceMs = null;
      if (this.#phase.name !== 'on-air') {
        this.#asks = 0;
        this.#watchGap();
      }
      this.#phase = { name: 'on-air' };
      this.#live?.start(issued.play);
      return;
    }
    // HLS is some seconds behind: what still plays may play to its end.
    const nowMs = this.#options.clock.nowMs();
    if (this.#phase.name === 'on-air' && !this.#inTrouble) {
      this.#overSinceMs ??= nowMs;
      if (nowMs - this.#overSinceMs < TAIL_MS) return;
    }
    this.#overSinceMs = null;
    if (this.#phase.name !== 'waiting' && this.#phase.name !== 'ended') this.#asks = 0;
    this.#live?.stop();
    const { replay, recordings } = issued;
    this.#phase =
      issued.lesson.state === 'ended'
        ? { name: 'ended', replay, recordings }
        : { name: 'waiting', recordings };
  }

  #onRefusal(code: ErrorCode): void {
    if (isRetryable(code)) {
      this.#reachable = false;
      // A page that never had an answer says so; another keeps what it shows and goes on trying.
      if (this.#issued === undefined) this.#phase = { name: 'refused', code };
      return;
    }
    this.#live?.stop();
    this.#phase = { name: 'refused', code };
  }

  /** How long until the next question, in ms; null if there is nothing to wait for. */
  #pauseMs(): number | null {
    const phase = this.#phase;
    const spread = 0.75 + this.#options.random() / 2;
    const patient = backoffMs(this.#asks, PATIENT) * spread;
    if (phase.name === 'refused') return isRetryable(phase.code) ? patient : null;
    if (phase.name === 'ended') {
      if (phase.replay === 'ready') return null;
      // Where nothing was recorded, news of a recording may still be under way, for a while.
      return phase.replay === 'none' && this.#asks > NONE_ASKS ? CALM_ASK_MS * spread : patient;
    }
    if (phase.name !== 'on-air') {
      if (!this.#options.attention.visible) return HIDDEN_WAIT_MS * spread;
      return this.#reachable ? WAIT_MS * spread : patient;
    }
    if (this.#inTrouble || this.#overSinceMs !== null) return TROUBLE_ASK_MS * spread;
    const renewMs =
      expiresAtMs(this.#issued?.play.hls ?? 'http://-') - this.#options.wallMs() - RENEW_BEFORE_MS;
    return Math.max(PATIENT.minMs, Math.min(CALM_ASK_MS, renewMs)) * spread;
  }

  get #inTrouble(): boolean {
    return !['playing', 'paused'].includes(this.#player.name);
  }

  #onMode(mode: PlayerMode): void {
    this.#mode = mode;
    // Where one may go has grown since the last answer, and chapters with it.
    if (mode === 'rewound') void this.#ask();
  }

  #onPlayer(state: PlayerState): void {
    this.#player = state;
    this.#correctPlace();
    if (!this.#inTrouble) {
      this.#cancelGap();
      this.#gapped = false;
    } else if (state.name !== 'idle') {
      this.#watchGap();
      // The end of a stream is the end of class or a mere restart: the server knows.
      if (state.name === 'retrying') this.#askIn(ASK_SOON_MS * (0.2 + this.#options.random()));
    }
  }

  /** Somebody went to a chapter before it was known where it is. */
  #correctPlace(): void {
    if (this.#player.name !== 'playing' || this.#mode !== 'rewound') return;
    const toS = this.chapters.correction();
    if (toS !== undefined) this.#live?.rewind(toS);
  }

  #watchGap(): void {
    if (this.#gapRuns || this.#gapped) return;
    this.#gapRuns = true;
    const cancel = this.#options.clock.after(TROUBLE_AFTER_MS, () => {
      this.#gapRuns = false;
      this.#gapped = true;
      void this.#ask();
    });
    this.#cancelGap = () => {
      this.#gapRuns = false;
      cancel();
    };
  }
}
