// What this tab sends over HTTPS, encoded by itself: the same switches as over WebRTC, but one picture (a
// screen, else the camera) and one sound, which the room sees as a peer of its own.
import { codeOf, type ErrorCode, LecternError } from '#shared/contract/errors.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import type { TabSource } from '#shared/domain/sources.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { Emitter } from '../emitter.ts';
import type { EncoderPort, EncoderStats, OpenEncoder } from '../ports.ts';
import type { PublicationState, Desired } from '../rtc-publications.ts';
import type { UplinkHealth } from '../uplink.ts';

/** An address could not be fetched: asked again after this many ms. */
const RETRY_MS = 2_000;

export interface EncodedEvents {
  changed: [];
  notice: [notice: PublisherNotice];
  /** It cannot go on. */
  failed: [code: ErrorCode];
}

export interface EncodedOptions {
  readonly encoder: EncoderPort;
  /** Where to publish to; null if this person may not. Rejects with LecternError. */
  readonly publishAddress: () => Promise<string | null>;
}

/** Owns the encoder; the tracks stay their owner's. `close()` is idempotent. */
export class EncodedPublications extends Emitter<EncodedEvents> {
  readonly #options: EncodedOptions;
  readonly #desired = new Map<TabSource, Desired>();
  #encoder: OpenEncoder | undefined;
  #connection: 'connecting' | 'open' = 'connecting';
  #stats: EncoderStats | undefined;
  /** What others know the sender by. */
  #name: string | undefined;
  #opening = false;
  /** A stream key that was replaced is fetched again, once until it opens. */
  #renewed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: EncodedOptions) {
    super();
    this.#options = options;
  }

  /** Begins, or goes on, under `name`. */
  start(name: string): void {
    this.#name = name;
    void this.#open();
  }

  state(source: TabSource): PublicationState {
    const desired = this.#desired.get(source);
    if (desired === undefined) return 'off';
    if (desired.paused) return 'paused';
    return this.#connection === 'open' ? 'on' : 'starting';
  }

  set(source: TabSource, desired: Desired | null): void {
    if (desired === null) this.#desired.delete(source);
    else this.#desired.set(source, desired);
    // Not one word of a microphone that is muted; silence goes on.
    if (desired?.track != null) desired.track.enabled = !desired.paused;
    this.#apply();
    void this.#open();
    this.emit('changed');
  }

  /** What this tab sends, for its own list. */
  views(peerId: string): ProducerView[] {
    return [...this.#desired].map(([source, { paused }]) => ({
      id: `encoded:${source}`,
      peerId,
      source,
      paused,
    }));
  }

  /** How well it leaves us; null while nothing is sent. */
  get uplink(): UplinkHealth | null {
    if (this.#encoder === undefined) return null;
    const sentBps = this.#stats?.sentBps ?? null;
    const told = { rttMs: null, loss: 0, sentBps };
    if (this.#connection !== 'open' || this.#stats?.pace === 'skipping') {
      return { health: 'poor', cause: 'network', ...told };
    }
    if (this.#stats?.pace === 'degraded') return { health: 'fair', cause: 'network', ...told };
    return { health: 'good', cause: null, ...told };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop();
    this.#desired.clear();
  }

  #wanted(source: TabSource): MediaStreamTrack | null {
    const desired = this.#desired.get(source);
    return desired === undefined || desired.track?.readyState === 'ended' ? null : desired.track;
  }

  #apply(): void {
    const encoder = this.#encoder;
    if (encoder === undefined) return;
    const shown = (source: TabSource) =>
      this.#desired.get(source)?.paused === false ? this.#wanted(source) : null;
    const screen = shown('screen');
    if (screen !== null) encoder.setVideoTrack(screen, 'screen');
    else encoder.setVideoTrack(shown('camera'), 'camera');
    const tracks = [this.#wanted('microphone'), this.#wanted('screen-audio')];
    encoder.setAudioTracks(tracks.filter((track) => track !== null));
  }

  async #open(): Promise<void> {
    const name = this.#name;
    const nothing = [...this.#desired.values()].every(({ track }) => track === null);
    if (this.#encoder !== undefined || this.#opening || this.#closed || name === undefined || nothing) return;
    this.#opening = true;
    clearTimeout(this.#retry);
    try {
      const address = await this.#options.publishAddress();
      if (this.#closed) return;
      if (address === null) throw new LecternError('forbidden');
      const url = new URL(address);
      url.searchParams.set('name', name);
      this.#encoder = this.#options.encoder.open(url.href, {
        onState: (state) => {
          this.#connection = state;
          if (state === 'open') this.#renewed = false;
          this.emit('changed');
        },
        onStats: (stats) => {
          this.#stats = stats;
          this.emit('changed');
        },
        onNotice: (notice) => this.emit('notice', notice),
        onRefused: (code) => this.#refused(code),
      });
      this.#apply();
      this.emit('changed');
    } catch (error) {
      const code = codeOf(error);
      if (code === 'service-unavailable') this.#retry = setTimeout(() => void this.#open(), RETRY_MS);
      else if (!this.#closed) this.emit('failed', code);
    } finally {
      this.#opening = false;
    }
  }

  #refused(code: ErrorCode): void {
    this.#drop();
    if (code === 'publish-key-invalid' && !this.#renewed) {
      this.#renewed = true;
      void this.#open();
    } else {
      this.emit('failed', code);
    }
    this.emit('changed');
  }

  #drop(): void {
    clearTimeout(this.#retry);
    this.#encoder?.close();
    this.#encoder = undefined;
    this.#connection = 'connecting';
    this.#stats = undefined;
  }
}
