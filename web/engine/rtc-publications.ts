// What this tab sends. Each source has a desired state and an actual one; one loop per source reconciles them, so
// that clicks, lost connections and new devices may come in any order.
import type { Producer } from 'mediasoup-client/types';
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import { SOURCES, TabSource } from '#shared/domain/sources.ts';
import { expected } from '#shared/expected.ts';
import { Emitter } from './emitter.ts';
import { sendProfile, videoCodec } from './encodings.ts';
import type { MediaSession } from './media-session.ts';
import type { Signalling } from './signalling.ts';

/** What should be sent: `paused` without a track keeps the producer and gives the device back. */
export interface Desired {
  readonly track: MediaStreamTrack | null;
  readonly paused: boolean;
}

/** How long after an unanswered request the loop tries again, in ms. */
const RETRY_MS = 2_000;

interface Actual {
  readonly producer: Producer;
  track: MediaStreamTrack | null;
  paused: boolean;
}

export type PublicationState = 'off' | 'starting' | 'on' | 'paused';

export interface PublicationsEvents {
  changed: [];
  /** The server refused a source; the desired for it was dropped. */
  refused: [source: TabSource, code: ErrorCode];
}

/** Owns this tab's producers. The tracks stay their owner's. */
export class RtcPublications extends Emitter<PublicationsEvents> {
  readonly #media: MediaSession;
  readonly #signalling: Pick<Signalling, 'request'>;
  readonly #desired = new Map<TabSource, Desired>();
  readonly #actual = new Map<TabSource, Actual>();
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
    const desired = this.#desired.get(source);
    if (desired === undefined) return 'off';
    const actual = this.#actual.get(source);
    if (desired.paused) return actual === undefined && desired.track === null ? 'off' : 'paused';
    return actual === undefined || actual.paused ? 'starting' : 'on';
  }

  /** What this tab sends, as the others see it; the server tells one only of theirs. */
  views(peerId: string): ProducerView[] {
    return [...this.#actual].map(([source, { producer, paused }]) => ({
      id: producer.id,
      peerId,
      source,
      paused,
    }));
  }

  /** True while a picture is being sent. */
  get sendsVideo(): boolean {
    return [...this.#actual.values()].some((actual) => actual.producer.kind === 'video' && !actual.paused);
  }

  /** States that a source should be sent; null to stop it altogether. */
  set(source: TabSource, desired: Desired | null): void {
    if (desired === null) this.#desired.delete(source);
    else this.#desired.set(source, desired);
    this.emit('changed');
    void this.#reconcile(source);
  }

  /** The room was joined, `mine` being what the server has of us: what is missing there is sent again. */
  start(mine: readonly ProducerView[]): void {
    this.#ready = true;
    const known = new Set(mine.map((producer) => producer.id));
    for (const [source, actual] of this.#actual) {
      if (!known.has(actual.producer.id)) this.#drop(source, actual);
    }
    for (const { id, paused } of mine) {
      const actual = [...this.#actual.values()].find((one) => one.producer.id === id);
      // A pause that was under way when the socket broke: the server's word counts, the loop mends it.
      if (actual !== undefined) actual.paused = paused;
      // One whose acknowledgement got lost: nothing of it is sent, it will be made again.
      else
        void this.#signalling.request('producer:close', { producerId: id }).catch(expected('closed already'));
    }
    this.#reconcileAll();
  }

  /** The connection is lost for now; desired are kept, nothing is asked. */
  suspend(): void {
    this.#ready = false;
    clearTimeout(this.#retry);
  }

  /** All producers are gone with their transport; the desired stay. */
  reset(): void {
    this.suspend();
    this.#generation += 1;
    this.#actual.clear();
    this.emit('changed');
  }

  has(producerId: string): boolean {
    return [...this.#actual.values()].some((actual) => actual.producer.id === producerId);
  }

  /** The server closed one of ours on purpose. Returns its source, or undefined if it is not known. */
  closedByServer(producerId: string): TabSource | undefined {
    for (const [source, actual] of this.#actual) {
      if (actual.producer.id !== producerId) continue;
      this.#drop(source, actual);
      this.#desired.delete(source);
      this.emit('changed');
      return source;
    }
    return undefined;
  }

  #reconcileAll(): void {
    for (const source of TabSource.options) void this.#reconcile(source);
  }

  #drop(source: TabSource, actual: Actual): void {
    this.#actual.delete(source);
    actual.producer.close();
  }

  async #reconcile(source: TabSource): Promise<void> {
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
      if (this.#ready && generation !== this.#generation) void this.#reconcile(source);
    }
  }

  /** Does the next thing towards the desired; false when there is nothing left to do. */
  async #step(source: TabSource): Promise<boolean> {
    const desired = this.#desired.get(source);
    const actual = this.#actual.get(source);
    if (desired === undefined) {
      if (actual === undefined) return false;
      this.#drop(source, actual);
      await this.#signalling.request('producer:close', { producerId: actual.producer.id });
    } else if (actual === undefined) {
      if (desired.track === null || desired.track.readyState === 'ended') return false;
      await this.#produce(source, desired.track, desired.paused);
    } else if (desired.track !== actual.track) {
      await actual.producer.replaceTrack({ track: desired.track });
      actual.track = desired.track;
      if (desired.track !== null) desired.track.contentHint = sendProfile(source).contentHint;
    } else if (desired.paused !== actual.paused) {
      if (desired.paused) actual.producer.pause();
      else actual.producer.resume();
      await this.#signalling.request(desired.paused ? 'producer:pause' : 'producer:resume', {
        producerId: actual.producer.id,
      });
      actual.paused = desired.paused;
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
    this.#actual.set(source, { producer, track, paused });
    if (profile.degradationPreference !== undefined) {
      await setDegradation(producer, profile.degradationPreference);
    }
  }

  #refused(source: TabSource, error: unknown): void {
    const code = codeOf(error);
    if (!this.#ready) return;
    if (code === 'service-unavailable' || code === 'conflict') {
      // Not answered, or the room is just being rebuilt: the desired stays, for now or for the next membership.
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#reconcileAll(), RETRY_MS);
      return;
    }
    const actual = this.#actual.get(source);
    if (actual !== undefined) this.#drop(source, actual);
    this.#desired.delete(source);
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
