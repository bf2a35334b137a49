// The encoder: a program outside that publishes to the room (OBS by RTMP or WHIP, a pulled stream, the
// teacher's own encoder), as a peer alongside the people. There is one place for it. It comes without a
// ticket, for its key named the lesson; it is no member, so it takes part in no attendance.
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import {
  ENCODER_INTERVAL_MS,
  ENCODER_LOST_MS,
  type EncoderAnswer,
  type EncoderState,
  type EncoderTrack,
} from '#shared/contract/internal.ts';
import type { EncoderView } from '#shared/contract/publish.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import type { PeerView } from '#shared/contract/signalling.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import { Serial } from '#shared/serial.ts';
import type { Log } from '#server/log.ts';
import type { Members } from '../../members.ts';
import type { Ingress, PlainIngress, WhipIngress } from '../../ports.ts';
import { Revalidation, type Ask } from './revalidation.ts';
import type { Publisher, Stage } from '../stage.ts';

/** Anyone who delivered media this recently keeps the place; after that another may take it. */
export const TAKE_OVER_MS = 3_000;
const LOOK_MS = 1_000;
/**
 * A gateway that died states nothing and sends nothing. What publishes to it is back with its successor two
 * seconds later (OBS) and is the same program, though of another name.
 */
const ABANDONED = { unstatedMs: 1.5 * ENCODER_INTERVAL_MS, silentMs: 500 };

/** One publication, over drops and returns of the program behind it. */
export interface EncoderPublication {
  readonly id: string;
  readonly kind: EncoderState['kind'] | 'whip';
  readonly name: string;
  readonly channel: string;
  readonly title: string;
  /** What is not as it should be in what it sends. */
  readonly notices?: readonly PublisherNotice[];
}

export interface EncoderOptions {
  readonly lesson: string;
  readonly log: Log;
  readonly now: () => number;
  readonly members: Members;
  readonly stage: Stage;
  readonly openIngress: () => Promise<PlainIngress>;
  /** Called once for each publication, when it has something to show. */
  readonly onMedia: (publication: EncoderPublication) => void;
  /** True for a producer of which nothing is lost to the broadcast. */
  readonly isCarried: (producerId: string) => boolean;
  /** The place is free. */
  readonly onGone: () => void;
}

interface Tenant {
  publication: EncoderPublication;
  readonly ingress: Ingress;
  /** Of WHIP. What the gateway takes, the gateway ends. */
  revalidation: Revalidation | null;
  /** Producer ids by what makes a track the same track. */
  readonly producers: Map<string, string>;
  readonly since: number;
  shown: 'not yet' | 'sending' | 'idle';
  bytes: number;
  mediaAtMs: number;
  /** When the gateway stated it last; null for WHIP, whose connection says itself when it is over. */
  statedAtMs: number | null;
}

const trackKey = ({ kind, codec, ssrc, payloadType }: EncoderTrack) =>
  [kind, codec, ssrc, payloadType].join(':');
const sourceOf = (kind: 'audio' | 'video') => (kind === 'video' ? 'encoder' : 'encoder-audio');

const viewOf = ({ publication, shown, since }: Tenant): PeerView => ({
  id: ENCODER_ID,
  name: publication.name,
  role: 'assistant',
  permissions: ['publish:screen'],
  state: shown === 'idle' ? 'away' : 'present',
  joinedAtMs: since,
  ...(publication.notices?.length ? { notices: [...publication.notices] } : {}),
});

export class Encoder {
  readonly #options: EncoderOptions;
  readonly #publisher: Publisher = { id: ENCODER_ID };
  /** Publications that the teacher sent away. */
  readonly #dismissed = new Set<string>();
  #tenant: Tenant | null = null;
  /** Statements about the place are worked off one after the other. */
  readonly #turns = new Serial();
  #timer: NodeJS.Timeout | undefined;
  #open = true;

  constructor(options: EncoderOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return this.#tenant !== null;
  }

  /** Who has the place, for the owner; null while nothing is shown. */
  get view(): EncoderView | null {
    const tenant = this.#tenant;
    if (tenant === null || tenant.shown === 'not yet') return null;
    const { kind, name, notices = [] } = tenant.publication;
    return { kind, name, state: tenant.shown, notices: [...notices] };
  }

  /** As the others see it; none while it shows nothing. */
  views(): PeerView[] {
    const tenant = this.#tenant;
    return tenant === null || tenant.shown === 'not yet' ? [] : [viewOf(tenant)];
  }

  /**
   * Brings the place in line with what the gateway states. Throws LecternError `already-publishing`,
   * `peer-removed` for a publication that the teacher sent away, or `service-unavailable`.
   */
  state(stated: EncoderState): Promise<EncoderAnswer> {
    return this.#turns.run(async () => {
      const { publication: id, tracks, ...rest } = stated;
      const publication: EncoderPublication = { id, ...rest };
      let tenant = this.#tenant;
      let ingress = tenant?.publication.id === id ? (tenant.ingress as PlainIngress) : null;
      if (tenant === null || ingress === null) {
        await this.#claim(id);
        ingress = await this.#options.openIngress();
        if (!this.#open) {
          ingress.close();
          throw new LecternError('room-closed');
        }
        tenant = this.#moveIn(publication, ingress);
      }
      const { name, notices } = tenant.publication;
      tenant.publication = publication;
      tenant.statedAtMs = this.#options.now();
      const isNews =
        name !== publication.name || JSON.stringify(notices) !== JSON.stringify(publication.notices);
      if (tenant.shown !== 'not yet' && isNews) this.#options.members.notify('peer:updated', viewOf(tenant));
      await this.#follow(tenant, ingress, tracks);
      const carried = tracks
        .filter((track) => this.#options.isCarried(tenant.producers.get(trackKey(track)) ?? ''))
        .map(({ kind }) => kind);
      return { state: 'accepted', to: ingress.to, carried };
    });
  }

  /**
   * Gives the place to an ingress that `open` makes, with all its producers, for as long as `ask` allows it.
   * Throws as {@link state} does, and whatever `open` throws.
   */
  occupy(publication: EncoderPublication, ask: Ask, open: () => Promise<WhipIngress>): Promise<WhipIngress> {
    return this.#turns.run(async () => {
      await this.#claim(publication.id);
      const ingress = await open();
      if (!this.#open) {
        ingress.close();
        throw new LecternError('room-closed');
      }
      const tenant = this.#moveIn(publication, ingress);
      for (const { id, kind } of ingress.producers) this.#place(tenant, id, id, kind);
      const onRefused = (code: ErrorCode) => this.#moveOut(code);
      const revalidation = new Revalidation({ ask, onRefused, now: this.#options.now });
      if (this.#tenant === tenant) tenant.revalidation = revalidation;
      else revalidation.close();
      return ingress;
    });
  }

  /** Ends this publication; another one, or none, stays as it is. */
  end(publication: string): void {
    if (this.#tenant?.publication.id === publication) this.#moveOut();
  }

  /** The teacher sends it away: it does not come back under the same publication. */
  dismiss(): void {
    if (this.#tenant === null) return;
    this.#dismissed.add(this.#tenant.publication.id);
    this.#moveOut('peer-removed');
  }

  /** The rules changed: a publication that may not go on ends. */
  recheck(): void {
    this.#tenant?.revalidation?.recheck();
  }

  /** The media are gone with their worker; what is stated next opens them again. */
  lost(): void {
    this.#moveOut();
  }

  /** Lets go of it for good. */
  close(): void {
    this.#open = false;
    this.#moveOut();
  }

  /** Throws unless `publication` may have the place now. */
  async #claim(publication: string): Promise<void> {
    if (!this.#open) throw new LecternError('room-closed');
    if (this.#dismissed.has(publication)) throw new LecternError('peer-removed');
    const tenant = this.#tenant;
    if (tenant === null) return;
    await this.#look(tenant);
    if (this.#tenant !== tenant) return;
    const nowMs = this.#options.now();
    const silentMs = nowMs - tenant.mediaAtMs;
    const isAbandoned =
      tenant.statedAtMs !== null &&
      nowMs - tenant.statedAtMs >= ABANDONED.unstatedMs &&
      silentMs >= ABANDONED.silentMs;
    if (silentMs < TAKE_OVER_MS && !isAbandoned) throw new LecternError('already-publishing');
  }

  #moveIn(publication: EncoderPublication, ingress: Ingress): Tenant {
    const { now, log, lesson } = this.#options;
    // A place that is taken over: the room sees one leave and the other come.
    this.#moveOut('taken over');
    const atMs = now();
    const tenant: Tenant = {
      publication,
      ingress,
      revalidation: null,
      producers: new Map(),
      since: atMs,
      shown: 'not yet',
      bytes: 0,
      mediaAtMs: atMs,
      statedAtMs: null,
    };
    this.#tenant = tenant;
    this.#timer = setInterval(() => void this.#check(tenant), LOOK_MS);
    log.info({ lesson, publication: publication.id, kind: publication.kind }, 'encoder came');
    return tenant;
  }

  #moveOut(reason?: string): void {
    const tenant = this.#tenant;
    if (tenant === null) return;
    clearInterval(this.#timer);
    this.#tenant = null;
    tenant.revalidation?.close();
    const { stage, members, log, lesson, onGone } = this.#options;
    for (const producerId of tenant.producers.values()) stage.close(producerId, 'closed');
    tenant.ingress.close();
    if (tenant.shown !== 'not yet') members.notify('peer:left', { peerId: ENCODER_ID });
    log.info({ lesson, publication: tenant.publication.id, reason }, 'encoder left');
    onGone();
  }

  /** Makes exactly these tracks the tenant's producers. */
  async #follow(tenant: Tenant, ingress: PlainIngress, tracks: readonly EncoderTrack[]): Promise<void> {
    const wanted = new Set(tracks.map(trackKey));
    for (const track of tracks) {
      const key = trackKey(track);
      if (tenant.producers.has(key)) continue;
      const producerId = await ingress.produce(track);
      if (this.#tenant !== tenant) throw new LecternError('service-unavailable');
      this.#place(tenant, key, producerId, track.kind);
    }
    for (const [key, producerId] of tenant.producers) {
      if (wanted.has(key)) continue;
      tenant.producers.delete(key);
      this.#options.stage.close(producerId, 'closed');
    }
  }

  #place(tenant: Tenant, key: string, producerId: string, kind: 'audio' | 'video'): void {
    const { stage, members, onMedia } = this.#options;
    tenant.producers.set(key, producerId);
    const first = tenant.shown === 'not yet';
    if (first) {
      tenant.shown = 'sending';
      members.notify('peer:joined', viewOf(tenant));
    }
    const paused = tenant.shown === 'idle';
    stage.place({ id: producerId, peerId: ENCODER_ID, source: sourceOf(kind), paused }, this.#publisher, {
      setProducerPaused: (id, pause) => tenant.ingress.setProducerPaused(id, pause),
      closeProducer: (id) => tenant.ingress.closeProducer(id),
    });
    if (first) onMedia(tenant.publication);
  }

  async #check(tenant: Tenant): Promise<void> {
    await this.#look(tenant);
    if (this.#tenant !== tenant) return;
    const nowMs = this.#options.now();
    if (tenant.statedAtMs !== null && nowMs - tenant.statedAtMs >= ENCODER_LOST_MS) {
      this.#moveOut('no word of it');
      return;
    }
    // One that is there and sends nothing keeps its place, but the class sees the teacher again.
    this.#setIdle(tenant, nowMs - tenant.mediaAtMs >= ENCODER_LOST_MS);
  }

  #setIdle(tenant: Tenant, idle: boolean): void {
    if (tenant.shown === 'not yet' || (tenant.shown === 'idle') === idle) return;
    tenant.shown = idle ? 'idle' : 'sending';
    const { stage, members } = this.#options;
    members.notify('peer:updated', viewOf(tenant));
    for (const producerId of tenant.producers.values()) stage.setIdle(producerId, idle);
  }

  /** Finds out whether media came since the last look. */
  async #look(tenant: Tenant): Promise<void> {
    // Gone with its worker: `lost` follows.
    const bytes = await tenant.ingress.received().catch(() => tenant.bytes);
    if (bytes > tenant.bytes) tenant.mediaAtMs = this.#options.now();
    tenant.bytes = bytes;
  }
}
