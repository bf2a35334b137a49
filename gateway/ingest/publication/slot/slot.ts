// A channel's place for a publisher. It outlives connections: who returns within 15 s, or takes over, goes
// on with the same streams. It states to the SFU once a second what is there.
import { randomBytes } from 'node:crypto';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import { ENCODER_INTERVAL_MS, type EncoderState } from '#shared/contract/internal.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import type { Log } from '#server/log.ts';
import { Reconcile } from '#shared/reconcile.ts';
import { Uplink } from '../../../sfu/uplink.ts';
import type { PublisherSession } from '../session.ts';
import type { PublicationAsk, Rooms } from '../types.ts';
import { Lease } from './lease.ts';
import { Primer, type Kind } from './primer.ts';

/** Refusals that pass by themselves: the SFU restarts, or is busy. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['service-unavailable', 'internal-error', 'rate-limited']);

/** While sound waits for the broadcast to take it. */
const WAITING_INTERVAL_MS = 50;

/** How a publisher went: it said goodbye, it vanished, or the teacher sent it away. */
export type Leaving = 'finished' | 'lost' | 'removed';

export interface SlotOptions {
  readonly ask: PublicationAsk;
  readonly rooms: Rooms;
  readonly log: Log;
  readonly onClosed: () => void;
}

export class PublisherSlot {
  readonly #options: SlotOptions;
  readonly #startedMs = performance.now();
  readonly #epochMs = Date.now();
  readonly #lease = new Lease();
  readonly #primer = new Primer(() => this.#uplink);
  readonly #loop: Reconcile;
  #uplink: Uplink | undefined;
  #publication = newId();
  /** The SFU knows of `#publication`. */
  #isStated = false;
  #name: string;
  #notices: readonly PublisherNotice[] = [];
  /** What the publisher sends, as far as it is known; and what of it came. */
  readonly #kinds = new Set<Kind>();
  readonly #sent = new Set<Kind>();
  #reachedUs = 0;
  /** The SFU does not answer, and the log says so. */
  #isSilent = false;
  #state: 'open' | 'closed' = 'open';

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#name = options.ask.name;
    this.#loop = new Reconcile({
      state: () => this.#round(),
      failed: (error) => this.#refused(error),
      everyMs: () => (this.#primer.isWaiting ? WAITING_INTERVAL_MS : ENCODER_INTERVAL_MS),
    });
  }

  get ask(): PublicationAsk {
    return this.#options.ask;
  }

  get session(): PublisherSession | undefined {
    return this.#lease.holder;
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
    return this.#lease.isTaken(withinMs);
  }

  /** Lets a publisher in, in place of the one before. Rejects with the SFU's refusal. */
  async enter(session: PublisherSession): Promise<void> {
    const before = this.#lease.take(session);
    this.#name = session.ask.name;
    this.#notices = [];
    before?.refuse(new LecternError('session-replaced', 'Another connection with the same key took over.'));
    this.#uplink ??= await this.#openUplink();
    await this.#loop.now();
    if (this.session !== session || this.#state === 'closed') throw new LecternError('session-replaced');
    this.#options.log.info({ kind: session.ask.kind, publication: this.#publication }, 'publisher let in');
  }

  /** The publisher is there: it brought something. */
  heard(session: PublisherSession): void {
    if (session === this.session) this.#lease.heard();
  }

  /** This kind is on its way, and may be for long: the SFU opens its track, and the broadcast waits for it. */
  expect(session: PublisherSession, kind: Kind): void {
    if (session === this.session) this.#isOpen(kind);
  }

  /** Nothing of this kind comes after all. What was sent of it before stays. */
  unexpect(session: PublisherSession, kind: Kind): void {
    if (session !== this.session || this.#sent.has(kind) || !this.#kinds.delete(kind)) return;
    this.#changed();
  }

  /** Returns false if it was dropped. */
  video(session: PublisherSession, nals: readonly Uint8Array[], ptsUs: number): boolean {
    if (session !== this.session) return false;
    this.#reachedUs = Math.max(this.#reachedUs, ptsUs + 1_000);
    if (this.#isOpen('video')) return this.#uplink?.sendVideo(nals, ptsUs) ?? false;
    // Views of what was received would be overwritten, and `slice` of a Buffer is one.
    const copies = nals.map((nal) => new Uint8Array(nal));
    return this.#primer.hold({ kind: 'video', ptsUs, send: (uplink) => uplink.sendVideo(copies, ptsUs) });
  }

  audio(session: PublisherSession, packet: Uint8Array, ptsUs: number, durationUs: number): void {
    if (session !== this.session) return;
    this.#reachedUs = Math.max(this.#reachedUs, ptsUs + durationUs);
    this.#sent.add('audio');
    if (this.#isOpen('audio')) {
      this.#uplink?.sendAudio(packet, ptsUs);
      return;
    }
    const copy = new Uint8Array(packet);
    this.#primer.hold({ kind: 'audio', ptsUs, send: (uplink) => uplink.sendAudio(copy, ptsUs) });
  }

  rename(session: PublisherSession, name: string): void {
    if (session !== this.session || name === this.#name) return;
    this.#name = name;
    this.#changed();
  }

  notices(session: PublisherSession, notices: readonly PublisherNotice[]): void {
    if (session !== this.session) return;
    this.#notices = notices;
    this.#changed();
  }

  /** The publisher is gone. One that is `lost` is waited for, one that is `finished` is not. */
  leave(session: PublisherSession, how: Leaving): void {
    if (session !== this.session || this.#state === 'closed') return;
    // The streams' numbers are kept for a return in any case.
    this.#lease.leave(how === 'removed');
    this.#primer.drop();
    this.#options.log.info({ publication: this.#publication, how }, 'publisher left');
    if (how === 'finished') this.#endPublication();
    // The SFU refuses this publication from now on, so it must stay the same one.
    if (how === 'removed') this.#isStated = false;
    this.#loop.changed();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#loop.close();
    this.#lease.leave()?.refuse(new LecternError('service-unavailable'));
    this.#endPublication();
    this.#uplink?.close();
    this.#options.onClosed();
  }

  #openUplink(): Promise<Uplink> {
    const timeline = { epochMs: this.#epochMs, nowUs: () => this.nowUs };
    return Uplink.open(this.ask.channel, timeline, {
      keyframeWanted: () => {
        if (!this.#primer.keyframeWanted()) this.session?.keyframeWanted();
      },
      failed: (error) => this.#options.log.debug({ err: error }, 'the way to the SFU failed'),
    });
  }

  #isOpen(kind: Kind): boolean {
    if (!this.#kinds.has(kind)) {
      this.#kinds.add(kind);
      this.#changed();
    }
    return this.#primer.isOpen(kind);
  }

  /** Ends it at the SFU; who comes next is another. */
  #endPublication(): void {
    const publication = this.#publication;
    if (this.#isStated) {
      const { rooms, log } = this.#options;
      rooms
        .endEncoder({ params: { room: this.ask.lesson }, query: { publication } })
        // Without being stated it ends by itself.
        .catch((error: unknown) => log.debug({ err: error }, 'the SFU was not told of the end'));
    }
    this.#publication = newId();
    this.#isStated = false;
    this.#kinds.clear();
    this.#sent.clear();
    this.#primer.reset();
  }

  /** What is stated is another now; anyone who enters states it anyway. */
  #changed(): void {
    if (this.#uplink !== undefined && this.session !== undefined) this.#loop.changed();
  }

  #refused(error: unknown): void {
    if (this.#state === 'closed') return;
    const refusal = LecternError.from(error);
    if (RETRYABLE.has(refusal.code)) {
      if (!this.#isSilent) this.#options.log.warn({ err: refusal }, 'the SFU does not answer');
      this.#isSilent = true;
      return;
    }
    this.#isStated = false;
    if (this.session === undefined) this.close();
    else this.session.refuse(refusal);
  }

  async #round(): Promise<void> {
    if (this.#lease.isOver) this.close();
    else if (this.session !== undefined || this.#isStated) await this.#put();
  }

  async #put(): Promise<void> {
    const uplink = this.#uplink;
    if (uplink === undefined) return;
    const kinds = [...this.#kinds];
    const publication = this.#publication;
    const { ask } = this.session ?? this;
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
    const { to, carried } = await this.#options.rooms.stateEncoder({
      params: { room: ask.lesson },
      body: state,
    });
    this.#isSilent = false;
    this.#lease.renewed();
    if (publication !== this.#publication) return;
    uplink.sendTo(to);
    this.#primer.opened(kinds, carried, uplink, this.nowUs);
  }
}

const newId = (): string => randomBytes(12).toString('base64url');
