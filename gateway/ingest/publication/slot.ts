// A channel's place for a publisher. It outlives connections: who returns within 15 s, or takes over, goes
// on with the same streams. It states to the SFU once a second what is there.
import { randomBytes } from 'node:crypto';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import { ENCODER_INTERVAL_MS, ENCODER_LOST_MS, type EncoderState } from '#shared/contract/internal.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import type { Log } from '#server/log.ts';
import type { PublicationAsk, Rooms } from '../publication.ts';
import { Uplink } from '../uplink/uplink.ts';
import type { Session } from './session.ts';

type Kind = 'audio' | 'video';

/** Refusals that pass by themselves: the SFU restarts, or is busy. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['service-unavailable', 'internal-error', 'rate-limited']);
/** What comes before the SFU has opened its tracks is kept: it begins with the only key frame for a while. */
const MAX_HELD = 2_000;
/**
 * Encoders make no key frame when asked, so the first one waits until somebody is there to see it: this
 * long after the first who asks for one, others being on their way, and at most so long in all.
 */
const READY_MS = 250;
const MOST_READY_MS = 1_000;
/** Encoders come back by themselves; one that the teacher sent away should not, for this long. */
const REMOVED_MS = 10 * 60_000;

/** How a publisher went: it said goodbye, it vanished, or the teacher sent it away. */
export type Leaving = 'finished' | 'lost' | 'removed';

export interface SlotOptions {
  readonly ask: PublicationAsk;
  readonly rooms: Rooms;
  readonly log: Log;
  readonly onClosed: () => void;
}

interface Held {
  readonly kind: Kind;
  readonly ptsUs: number;
  readonly send: (uplink: Uplink) => void;
}

export class Slot {
  readonly #options: SlotOptions;
  readonly #startedMs = performance.now();
  readonly #epochMs = Date.now();
  #uplink: Uplink | undefined;
  #session: Session | undefined;
  #publication = newId();
  /** The SFU knows of `#publication`. */
  #isStated = false;
  #name: string;
  #notices: readonly PublisherNotice[] = [];
  readonly #kinds = new Set<Kind>();
  /** Of which the SFU has tracks. */
  readonly #accepted = new Set<Kind>();
  #held: Held[] = [];
  /** Runs while the first picture waits for those who will see it. */
  #ready: NodeJS.Timeout | undefined;
  #isAsked = false;
  #heardAtMs = -Infinity;
  /** How long its place is kept after it was heard. */
  #keptMs: number = ENCODER_LOST_MS;
  #enteredAtMs = -Infinity;
  #reachedUs = 0;
  #timer: NodeJS.Timeout | undefined;
  #putting: Promise<void> | undefined;
  #isDirty = false;
  #isSilent = false;
  #closed = false;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#name = options.ask.name;
  }

  get ask(): PublicationAsk {
    return this.#options.ask;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Time on the channel's timeline, in µs. */
  get nowUs(): number {
    return (performance.now() - this.#startedMs) * 1_000;
  }

  /** Where what was sent so far ends on the timeline, in µs. */
  get reachedUs(): number {
    return this.#reachedUs;
  }

  /** True if a publisher is there that brought media, or came, within `withinMs`. */
  isTaken(withinMs: number): boolean {
    if (this.#session === undefined || this.#session.isEnding) return false;
    return performance.now() - Math.max(this.#heardAtMs, this.#enteredAtMs) < withinMs;
  }

  /** Lets a publisher in, in place of the one before. Rejects with the SFU's refusal. */
  async enter(session: Session): Promise<void> {
    const before = this.#session;
    this.#session = session;
    this.#enteredAtMs = performance.now();
    this.#name = session.ask.name;
    this.#notices = [];
    before?.refuse(new LecternError('session-replaced', 'Another connection with the same key took over.'));
    clearTimeout(this.#timer);
    this.#uplink ??= await this.#openUplink();
    await this.#put();
    if (this.#session !== session || this.#closed) throw new LecternError('session-replaced');
    this.#options.log.info({ kind: session.ask.kind, publication: this.#publication }, 'publisher let in');
    this.#schedule();
  }

  /** The publisher is there: it brought something. */
  heard(session: Session): void {
    if (session === this.#session) this.#heardAtMs = performance.now();
  }

  /** Returns false if it was dropped. */
  video(session: Session, nals: readonly Uint8Array[], ptsUs: number): boolean {
    if (session !== this.#session) return false;
    this.#reachedUs = Math.max(this.#reachedUs, ptsUs + 1_000);
    if (this.#isOpen('video')) return this.#uplink?.video(nals, ptsUs) ?? false;
    // Views of what was received would be overwritten, and `slice` of a Buffer is one.
    const copies = nals.map((nal) => new Uint8Array(nal));
    return this.#hold({ kind: 'video', ptsUs, send: (uplink) => uplink.video(copies, ptsUs) });
  }

  audio(session: Session, packet: Uint8Array, ptsUs: number, durationUs: number): void {
    if (session !== this.#session) return;
    this.#reachedUs = Math.max(this.#reachedUs, ptsUs + durationUs);
    if (this.#isOpen('audio')) {
      this.#uplink?.audio(packet, ptsUs);
      return;
    }
    const copy = new Uint8Array(packet);
    this.#hold({ kind: 'audio', ptsUs, send: (uplink) => uplink.audio(copy, ptsUs) });
  }

  rename(session: Session, name: string): void {
    if (session !== this.#session || name === this.#name) return;
    this.#name = name;
    this.#stateSoon();
  }

  notices(session: Session, notices: readonly PublisherNotice[]): void {
    if (session !== this.#session) return;
    this.#notices = notices;
    this.#stateSoon();
  }

  /** The publisher is gone. One that is `lost` is waited for, one that is `finished` is not. */
  leave(session: Session, how: Leaving): void {
    if (session !== this.#session || this.#closed) return;
    this.#session = undefined;
    this.#held = [];
    this.#options.log.info({ publication: this.#publication, how }, 'publisher left');
    if (how === 'finished') this.#endPublication();
    // The SFU refuses this publication from now on, so it must stay the same one.
    if (how === 'removed') {
      this.#isStated = false;
      this.#keptMs = REMOVED_MS;
    }
    // The streams' numbers are kept for a return in either case.
    this.#heardAtMs = performance.now();
    this.#schedule();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#ready);
    const session = this.#session;
    this.#session = undefined;
    session?.refuse(new LecternError('service-unavailable'));
    this.#endPublication();
    this.#uplink?.close();
    this.#options.onClosed();
  }

  #openUplink(): Promise<Uplink> {
    const timeline = { epochMs: this.#epochMs, nowUs: () => this.nowUs };
    return Uplink.open(this.ask.channel, timeline, {
      keyframeWanted: () => {
        if (this.#ready === undefined) this.#session?.keyframeWanted();
        else this.#readyIn(READY_MS);
      },
      failed: (error) => this.#options.log.debug({ err: error }, 'the way to the SFU failed'),
    });
  }

  #isOpen(kind: Kind): boolean {
    if (this.#accepted.has(kind)) return this.#ready === undefined;
    if (!this.#kinds.has(kind)) {
      this.#kinds.add(kind);
      this.#stateSoon();
    }
    return false;
  }

  /** Returns false if it was dropped, because nothing goes on. */
  #hold(held: Held): boolean {
    if (this.#held.length >= MAX_HELD) return false;
    this.#held.push(held);
    return true;
  }

  /** Ends it at the SFU; who comes next is another. */
  #endPublication(): void {
    const publication = this.#publication;
    if (this.#isStated) {
      this.#options.rooms.end(this.ask.lesson, publication).catch((error: unknown) => {
        // Without being stated it ends by itself.
        this.#options.log.debug({ err: error }, 'the SFU was not told of the end');
      });
    }
    this.#publication = newId();
    this.#isStated = false;
    this.#kinds.clear();
    this.#accepted.clear();
    clearTimeout(this.#ready);
    this.#ready = undefined;
    this.#isAsked = false;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#round(), ENCODER_INTERVAL_MS);
  }

  async #round(): Promise<void> {
    if (this.#session === undefined && performance.now() - this.#heardAtMs >= this.#keptMs) {
      this.close();
      return;
    }
    if (this.#session !== undefined || this.#isStated) {
      try {
        await this.#put();
      } catch (error) {
        this.#refused(error);
      }
    }
    this.#schedule();
  }

  /** States it as soon as the round that runs is done. */
  #stateSoon(): void {
    if (this.#closed || this.#uplink === undefined || this.#session === undefined) return;
    if (this.#putting !== undefined) {
      this.#isDirty = true;
      return;
    }
    this.#put().catch((error: unknown) => this.#refused(error));
  }

  #refused(error: unknown): void {
    if (this.#closed) return;
    const refusal = error instanceof LecternError ? error : new LecternError('internal-error', String(error));
    if (PASSING.has(refusal.code)) {
      if (!this.#isSilent) this.#options.log.warn({ err: refusal }, 'the SFU does not answer');
      this.#isSilent = true;
      return;
    }
    const session = this.#session;
    this.#isStated = false;
    if (session === undefined) this.close();
    else session.refuse(refusal);
  }

  async #put(): Promise<void> {
    // One at a time, or an older state could overtake a newer one.
    while (this.#putting !== undefined) await this.#putting.catch(() => undefined);
    this.#putting = this.#putOnce();
    try {
      await this.#putting;
    } finally {
      this.#putting = undefined;
    }
    if (this.#isDirty) {
      this.#isDirty = false;
      this.#stateSoon();
    }
  }

  async #putOnce(): Promise<void> {
    const uplink = this.#uplink;
    if (uplink === undefined || this.#closed) return;
    const kinds = [...this.#kinds];
    const publication = this.#publication;
    const { ask } = this.#session ?? this;
    const state: EncoderState = {
      publication,
      kind: ask.kind,
      name: this.#name,
      channel: ask.channel,
      title: ask.title,
      tracks: kinds.map((kind) => uplink.track(kind)),
      notices: [...this.#notices],
    };
    // From here on it may be known there, whatever the answer.
    this.#isStated = true;
    const { to } = await this.#options.rooms.put(ask.lesson, state);
    this.#isSilent = false;
    this.#keptMs = ENCODER_LOST_MS;
    if (publication !== this.#publication) return;
    uplink.sendTo(to);
    const isNewPicture = kinds.includes('video') && !this.#accepted.has('video');
    for (const kind of kinds) this.#accepted.add(kind);
    if (isNewPicture) {
      uplink.prime((this.#held.find(({ kind }) => kind === 'video')?.ptsUs ?? this.nowUs) - 1_000);
      this.#ready = setTimeout(() => this.#release(), MOST_READY_MS);
    } else if (this.#ready === undefined) {
      this.#release();
    }
  }

  #readyIn(durationMs: number): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    clearTimeout(this.#ready);
    this.#ready = setTimeout(() => this.#release(), durationMs);
  }

  /** Sends what waited. */
  #release(): void {
    clearTimeout(this.#ready);
    this.#ready = undefined;
    this.#isAsked = false;
    const uplink = this.#uplink;
    if (uplink === undefined) return;
    const ready = this.#held.filter(({ kind }) => this.#accepted.has(kind));
    this.#held = this.#held.filter(({ kind }) => !this.#accepted.has(kind));
    for (const { send } of ready) send(uplink);
  }
}

const newId = (): string => randomBytes(12).toString('base64url');
