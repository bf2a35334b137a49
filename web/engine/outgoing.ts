// The way that this tab's picture and sound take: WebRTC, or encoded in the page and sent over HTTPS, where
// the person chose that or the network lets no WebRTC through.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import { TabSource } from '#shared/domain/sources.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { EncodedPublications, type EncodedOptions } from './encoded/encoded-publications.ts';
import { Emitter } from './emitter.ts';
import type { MediaSession } from './media-session.ts';
import { RtcPublications, type PublicationState, type Desired } from './rtc-publications.ts';
import type { Signalling } from './signalling.ts';
import type { UplinkHealth } from './uplink.ts';

/** So long WebRTC may take to connect before the other way is taken, in ms. */
const PATIENCE_MS = 8_000;

/** What the person chose. */
export type SendPreference = 'auto' | 'webrtc' | 'webcodecs';

/** The way that is taken; `blocked` if it is so because WebRTC did not connect. */
export type SendWay =
  { readonly name: 'webrtc' } | { readonly name: 'webcodecs'; readonly why: 'chosen' | 'blocked' };

export interface OutgoingEvents {
  changed: [];
  refused: [source: TabSource, code: ErrorCode];
  /** What is not as it should be in what is encoded here. */
  advice: [notice: PublisherNotice];
  /** It went back to WebRTC, because of this. */
  fellBack: [code: ErrorCode];
}

/** Owns what this tab sends, whichever way. `close()` is idempotent. */
export class Outgoing extends Emitter<OutgoingEvents> {
  readonly #media: MediaSession;
  readonly #rtc: RtcPublications;
  readonly #encodedOptions: EncodedOptions;
  readonly #offs: (() => void)[];
  readonly #desired = new Map<TabSource, Desired>();
  #encoded: EncodedPublications | undefined;
  #preference: SendPreference = 'auto';
  #way: SendWay = { name: 'webrtc' };
  #name = '';
  #joined = false;
  #connected = false;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(media: MediaSession, signalling: Pick<Signalling, 'request'>, encoded: EncodedOptions) {
    super();
    this.#media = media;
    this.#encodedOptions = encoded;
    this.#rtc = new RtcPublications(media, signalling);
    this.#offs = [
      media.on('connection', () => this.#watch()),
      this.#rtc.on('changed', () => this.emit('changed')),
      this.#rtc.on('refused', (source, code) => {
        this.#desired.delete(source);
        this.emit('refused', source, code);
      }),
    ];
  }

  get way(): SendWay {
    return this.#way;
  }

  /** Says what the person wants; to be said before anything is sent. */
  prefer(preference: SendPreference): void {
    this.#preference = preference;
    if (preference === 'webcodecs' && this.#encodedOptions.encoder.available) this.#encode('chosen');
  }

  state(source: TabSource): PublicationState {
    return (this.#encoded ?? this.#rtc).state(source);
  }

  /** States that a source should be sent; null to stop it altogether. */
  set(source: TabSource, desired: Desired | null): void {
    if (desired === null) this.#desired.delete(source);
    else this.#desired.set(source, desired);
    (this.#encoded ?? this.#rtc).set(source, desired);
  }

  /** What this tab sends, as the others see it over WebRTC. */
  views(peerId: string): ProducerView[] {
    return (this.#encoded ?? this.#rtc).views(peerId);
  }

  /** True while what is sent gets through, though the signalling may not. */
  get connected(): boolean {
    return this.#media.sending?.connectionState === 'connected';
  }

  get sendsVideo(): boolean {
    return this.#rtc.sendsVideo;
  }

  /** How well what is encoded here leaves us; null over WebRTC, which is measured elsewhere. */
  get uplink(): UplinkHealth | null {
    return this.#encoded?.uplink ?? null;
  }

  /** The room was joined as `name`; `mine` is what the server has of us. */
  start(mine: readonly ProducerView[], name: string): void {
    this.#joined = true;
    this.#name = name;
    this.#rtc.start(mine);
    this.#encoded?.start(name);
  }

  /** The socket is lost for now. What is encoded here has a connection of its own. */
  suspend(): void {
    this.#rtc.suspend();
  }

  /** The transports are gone; the desired stay. */
  reset(): void {
    this.#connected = false;
    this.#rtc.reset();
  }

  has(producerId: string): boolean {
    return this.#rtc.has(producerId);
  }

  closedByServer(producerId: string): TabSource | undefined {
    const source = this.#rtc.closedByServer(producerId);
    if (source !== undefined) this.#desired.delete(source);
    return source;
  }

  close(): void {
    for (const off of this.#offs.splice(0)) off();
    clearTimeout(this.#patience);
    this.#rtc.reset();
    this.#encoded?.close();
  }

  #watch(): void {
    const state = this.#media.sending?.connectionState;
    if (state === 'connected') {
      this.#connected = true;
      clearTimeout(this.#patience);
      this.#patience = undefined;
    } else if (state === 'connecting' || state === 'failed') {
      // It goes on over attempts that failed; once connected, WebRTC heals itself.
      if (this.#preference !== 'auto' || this.#connected || !this.#encodedOptions.encoder.available) return;
      this.#patience ??= setTimeout(() => this.#encode('blocked'), PATIENCE_MS);
    }
  }

  #encode(why: 'chosen' | 'blocked'): void {
    clearTimeout(this.#patience);
    if (this.#encoded !== undefined) return;
    const encoded = new EncodedPublications(this.#encodedOptions);
    this.#encoded = encoded;
    this.#way = { name: 'webcodecs', why };
    this.#offs.push(
      encoded.on('changed', () => this.emit('changed')),
      encoded.on('notice', (notice) => this.emit('advice', notice)),
      encoded.on('failed', (code) => this.#failed(encoded, code)),
    );
    for (const source of TabSource.options) this.#rtc.set(source, null);
    for (const [source, desired] of this.#desired) encoded.set(source, desired);
    if (this.#joined) encoded.start(this.#name);
    this.emit('changed');
  }

  /** Back to WebRTC, which may get through now; the person is told why. */
  #failed(encoded: EncodedPublications, code: ErrorCode): void {
    if (this.#encoded !== encoded) return;
    this.#encoded = undefined;
    this.#way = { name: 'webrtc' };
    // Not to and fro.
    this.#preference = 'webrtc';
    encoded.close();
    // The teacher sent it away, or the class is over: it does not come in by another door.
    const gone = code === 'peer-removed' || code === 'room-closed';
    for (const [source, desired] of [...this.#desired]) {
      if (!gone) this.#rtc.set(source, desired);
      else if (this.#desired.delete(source)) this.emit('refused', source, code);
    }
    if (!gone) this.emit('fellBack', code);
    this.emit('changed');
  }
}
