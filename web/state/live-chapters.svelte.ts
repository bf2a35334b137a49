// The chapters of a class that is on air: where each of them is on the bar.
import type { PlaybackIssued, ReplayChapter } from '#shared/contract/rest.ts';
import { PlaybackTimeline } from '../engine/player/playback-timeline.ts';
import type { Mark } from '../engine/player/ports.ts';

/** A broadcast that is shorter than its age by more than this has gaps, in ms; less is still on its way. */
const ON_ITS_WAY_MS = 6_000;
/** As near as this is there, in s. */
const NEAR_S = 1;

export type LiveChapter = ReplayChapter & {
  /** Where it begins, in seconds of the broadcast: as if it had no gaps, until the player knows them. */
  readonly atS: number;
};

export class LiveChapters {
  #marked = $state.raw<readonly ReplayChapter[]>([]);
  #startedAtMs = $state<number | null>(null);
  #timeline = $state.raw(new PlaybackTimeline([]));
  /** Where somebody went before the gaps were known. */
  #wanted: { readonly markedAtMs: number; readonly ledToS: number } | undefined;
  readonly #list = $derived.by((): readonly LiveChapter[] =>
    this.#marked.map((chapter) => ({ ...chapter, atS: this.#positionOf(chapter.markedAtMs) })),
  );

  /** In the order of time. */
  get list(): readonly LiveChapter[] {
    return this.#list;
  }

  /** Whether `list` knows the places of a broadcast that is `lengthS` long at `nowMs` (in ms since 1970). */
  isCertain(lengthS: number | undefined, nowMs: number): boolean {
    const known = this.#known;
    if (this.#marked.every(({ markedAtMs }) => markedAtMs <= known.wallMs)) return true;
    if (lengthS === undefined) return false;
    return nowMs - known.wallMs - (lengthS - known.positionS) * 1_000 < ON_ITS_WAY_MS;
  }

  /** What the server says; where the gateway did not answer, what was known goes on. */
  update({ onAir, startedAtMs, chapters }: Pick<PlaybackIssued, 'onAir' | 'startedAtMs' | 'chapters'>): void {
    if (onAir !== null && startedAtMs === null) return;
    // Another broadcast has its own clock.
    if (startedAtMs !== this.#startedAtMs) this.#timeline = new PlaybackTimeline([]);
    this.#startedAtMs = startedAtMs;
    this.#marked = chapters;
  }

  /** The player knows how the broadcast's clock and the wall's belong together. */
  setTimeline(marks: readonly Mark[]): void {
    this.#timeline = new PlaybackTimeline(marks);
  }

  /**
   * Where to go for a chapter, in s; undefined if there is none of this id. Where its place is a guess that is behind
   * the end (`lastS`, in s), that is the end; ask `correction` once it plays.
   */
  seek(id: string, lastS = Infinity): number | undefined {
    const chapter = this.#list.find((one) => one.id === id);
    if (chapter === undefined) return undefined;
    const { markedAtMs } = chapter;
    const isGuess = markedAtMs > this.#known.wallMs;
    const toS = isGuess ? Math.max(0, Math.min(chapter.atS, lastS)) : chapter.atS;
    this.#wanted = isGuess ? { markedAtMs, ledToS: toS } : undefined;
    return toS;
  }

  /** The person goes elsewhere. */
  forget(): void {
    this.#wanted = undefined;
  }

  /** Where the chapter that `seek` led to really is, in s; undefined where that is where it led, or not known yet. */
  correction(): number | undefined {
    if (this.#wanted === undefined || this.#timeline.empty) return undefined;
    const { markedAtMs, ledToS } = this.#wanted;
    this.#wanted = undefined;
    // Nothing of it is there to be played.
    if (markedAtMs > this.#known.wallMs) return undefined;
    const atS = this.#positionOf(markedAtMs);
    return Math.abs(atS - ledToS) > NEAR_S ? atS : undefined;
  }

  /** Up to where the two clocks are known to belong together. */
  get #known(): { readonly positionS: number; readonly wallMs: number } {
    return this.#timeline.end ?? { positionS: 0, wallMs: this.#startedAtMs ?? 0 };
  }

  #positionOf(wallMs: number): number {
    const { positionS, wallMs: knownMs } = this.#known;
    if (wallMs > knownMs) return positionS + (wallMs - knownMs) / 1_000;
    return this.#timeline.empty ? 0 : Math.max(0, this.#timeline.positionOf(wallMs));
  }
}
