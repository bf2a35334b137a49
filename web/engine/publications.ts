// What this tab sends. For each source there is a wish and a fact; one loop per source brings the fact
// to the wish, so that clicks, lost connections and new devices may come in any order.
import type { Producer } from 'mediasoup-client/types';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { ProducerView } from '#shared/contract/signalling.ts';
import { SOURCES, TabSource } from '#shared/domain/sources.ts';
import { Emitter } from './emitter.ts';
import { sendProfile, videoCodec } from './encodings.ts';
import type { MediaSession } from './media-session.ts';
import type { Signalling } from './signalling.ts';

/** What should be sent: `paused` without a track keeps the producer and gives the device back. */
export interface Wish {
  readonly track: MediaStreamTrack | null;
  readonly paused: boolean;
}

/** How long after an unanswered request the loop tries again, in ms. */
const RETRY_MS = 2_000;

interface Fact {
  readonly producer: Producer;
  track: MediaStreamTrack | null;
  paused: boolean;
}

export type PublicationState = 'off' | 'starting' | 'on' | 'paused';

export interface PublicationsEvents {
  changed: [];
  /** The server refused a source; the wish for it was dropped. */
  refused: [source: TabSource, code: ErrorCode];
}

/** Owns this tab's producers. The tracks stay their owner's. */
export class Publications extends Emitter<PublicationsEvents> {
  readonly #media: MediaSession;
  readonly #signalling: Pick<Signalling, 'request'>;
  readonly #wishes = new Map<TabSource, Wish>();
  readonly #facts = new Map<TabSource, Fact>();
  readonly #running = new Set<TabSource>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** False between a lost membership and the next one. */
  #ready = false;
  /** Grows with each reset, so that what began before it cannot end after it. */
  #generation = 0;

  constructor(media: MediaSession, signalling: Pick<Signalling, 'request'>) {
    super();
    this.#media = media;
    this.#signalling = signalling;
  }

  state(source: TabSource): PublicationState {
    const wish = this.#wishes.get(source);
    if (wish === undefined) return 'off';
    const fact = this.#facts.get(source);
    if (wish.paused) return fact === undefined && wish.track === null ? 'off' : 'paused';
    return fact === undefined || fact.paused ? 'starting' : 'on';
  }

  /** What this tab sends, as the others see it; the server tells one only of theirs. */
  views(peerId: string): ProducerView[] {
    return [...this.#facts].map(([source, { producer, paused }]) => ({
      id: producer.id,
      peerId,
      source,
      paused,
    }));
  }

  /** True while a picture is being sent. */
  get sendsVideo(): boolean {
    return [...this.#facts.values()].some((fact) => fact.producer.kind === 'video' && !fact.paused);
  }

  /** Wishes for a source to be sent; null to stop it altogether. */
  set(source: TabSource, wish: Wish | null): void {
    if (wish === null) this.#wishes.delete(source);
    else this.#wishes.set(source, wish);
    this.emit('changed');
    void this.#settle(source);
  }

  /** The room was joined, `mine` being what the server has of us: what is missing there is sent again. */
  start(mine: readonly ProducerView[]): void {
    this.#ready = true;
    const known = new Set(mine.map((producer) => producer.id));
    for (const [source, fact] of this.#facts) {
      if (!known.has(fact.producer.id)) this.#drop(source, fact);
    }
    for (const { id, paused } of mine) {
      const fact = [...this.#facts.values()].find((one) => one.producer.id === id);
      // A pause that was under way when the socket broke: the server's word counts, the loop mends it.
      if (fact !== undefined) fact.paused = paused;
      // One whose acknowledgement got lost: nothing of it is sent, it will be made anew.
      else void this.#signalling.request('producer:close', { producerId: id }).catch(() => undefined);
    }
    this.#settleAll();
  }

  /** The connection is lost for now; wishes are kept, nothing is asked. */
  suspend(): void {
    this.#ready = false;
    clearTimeout(this.#retry);
  }

  /** All producers are gone with their transport; the wishes stay. */
  reset(): void {
    this.suspend();
    this.#generation += 1;
    this.#facts.clear();
    this.emit('changed');
  }

  has(producerId: string): boolean {
    return [...this.#facts.values()].some((fact) => fact.producer.id === producerId);
  }

  /** The server closed one of ours on purpose. Returns its source, or undefined if it is not known. */
  closedByServer(producerId: string): TabSource | undefined {
    for (const [source, fact] of this.#facts) {
      if (fact.producer.id !== producerId) continue;
      this.#drop(source, fact);
      this.#wishes.delete(source);
      this.emit('changed');
      return source;
    }
    return undefined;
  }

  #settleAll(): void {
    for (const source of TabSource.options) void this.#settle(source);
  }

  #drop(source: TabSource, fact: Fact): void {
    this.#facts.delete(source);
    fact.producer.close();
  }

  async #settle(source: TabSource): Promise<void> {
    if (this.#running.has(source)) return;
    this.#running.add(source);
    const generation = this.#generation;
    try {
      while (this.#ready && generation === this.#generation && (await this.#step(source)));
    } catch (error) {
      if (generation === this.#generation) this.#refused(source, error);
    } finally {
      this.#running.delete(source);
      // A reset while a step was under way: begin again for the new membership.
      if (this.#ready && generation !== this.#generation) void this.#settle(source);
    }
  }

  /** Does the next thing towards the wish; false when there is nothing left to do. */
  async #step(source: TabSource): Promise<boolean> {
    const wish = this.#wishes.get(source);
    const fact = this.#facts.get(source);
    if (wish === undefined) {
      if (fact === undefined) return false;
      this.#drop(source, fact);
      await this.#signalling.request('producer:close', { producerId: fact.producer.id });
    } else if (fact === undefined) {
      if (wish.track === null || wish.track.readyState === 'ended') return false;
      await this.#produce(source, wish.track, wish.paused);
    } else if (wish.track !== fact.track) {
      await fact.producer.replaceTrack({ track: wish.track });
      fact.track = wish.track;
      if (wish.track !== null) wish.track.contentHint = sendProfile(source).contentHint;
    } else if (wish.paused !== fact.paused) {
      if (wish.paused) fact.producer.pause();
      else fact.producer.resume();
      await this.#signalling.request(wish.paused ? 'producer:pause' : 'producer:resume', {
        producerId: fact.producer.id,
      });
      fact.paused = wish.paused;
    } else {
      return false;
    }
    this.emit('changed');
    return true;
  }

  async #produce(source: TabSource, track: MediaStreamTrack, paused: boolean): Promise<void> {
    const generation = this.#generation;
    const transport = await this.#media.send();
    const profile = sendProfile(source, track.getSettings().height);
    track.contentHint = profile.contentHint;
    // Not one word of a microphone that starts muted.
    track.enabled = !paused;
    const codec = SOURCES[source].kind === 'video' ? videoCodec(this.#media.sendCapabilities) : undefined;
    const producer = await transport.produce({
      track,
      ...(profile.encodings === undefined ? {} : { encodings: profile.encodings }),
      ...(codec === undefined ? {} : { codec }),
      codecOptions: profile.codecOptions,
      stopTracks: false,
      // Screen and camera are apart in time; one stream would make receivers wait for each other.
      streamId: source.startsWith('screen') ? 'screen' : 'person',
      appData: { source, paused },
    });
    if (generation !== this.#generation) {
      producer.close();
      return;
    }
    this.#facts.set(source, { producer, track, paused });
    if (profile.degradationPreference !== undefined) {
      await setDegradation(producer, profile.degradationPreference);
    }
  }

  #refused(source: TabSource, error: unknown): void {
    const code = error instanceof LecternError ? error.code : 'internal-error';
    if (!this.#ready) return;
    if (code === 'service-unavailable' || code === 'conflict') {
      // Not answered, or the room is just being rebuilt: the wish stays, for now or for the next membership.
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#settleAll(), RETRY_MS);
      return;
    }
    const fact = this.#facts.get(source);
    if (fact !== undefined) this.#drop(source, fact);
    this.#wishes.delete(source);
    this.emit('changed');
    this.emit('refused', source, code);
  }
}

async function setDegradation(producer: Producer, preference: RTCDegradationPreference): Promise<void> {
  const sender = producer.rtpSender;
  if (sender === undefined) return;
  try {
    await sender.setParameters({ ...sender.getParameters(), degradationPreference: preference });
  } catch {
    // Firefox and older Safari do not take it; they send all the same.
  }
}
