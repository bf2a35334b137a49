// RTMP publishers: how a connection becomes a publication.
import { LecternError } from '#shared/contract/errors.ts';
import type { FlvTagType } from '#shared/media/flv.ts';
import { sentenceOf } from '#shared/contract/publisher-notice.ts';
import { parsePublishKey } from '#shared/contract/publish.ts';
import type { Publication, PublicationAsk, PublicationEvents } from '../../ingest/publication/types.ts';
import { FlvSource } from './flv-source.ts';

/** A publisher that sends nothing for this long has vanished; keep-alive takes minutes to notice. */
const SILENT_MS = 15_000;
/** A publisher that sends faster than life (a file) is read only so far ahead of it. */
const AHEAD_MS = 2_000;
const LOOK_EVERY_MS = 1_000;

/** Where the school has not told of the channel yet. */
const UNTITLED = 'Live class';

export interface RtmpPublishingOptions {
  readonly publications: {
    open(ask: PublicationAsk, events: PublicationEvents): Promise<Publication>;
  };
  /** The title of the channel's lesson, where it is known. */
  readonly titleOf: (channel: string) => string | undefined;
  readonly onMalformed: () => void;
}

/** The publisher's connection, as far as a publication needs it. */
export interface PublisherLink {
  /** Sends a sentence that is no error. */
  notice(text: string): void;
  /** Says why, and closes. */
  refuse(error: LecternError): void;
  /** Reads nothing more for a while. */
  pauseFor(durationMs: number): void;
}

export interface RtmpPublisher {
  /** Takes a message; throws if it makes no sense to go on. */
  media(type: FlvTagType, timestampMs: number, body: Uint8Array): void;
  /** `finished` if the client said so. Idempotent. */
  end(how: 'finished' | 'lost'): void;
}

export type RtmpPublishing = (channel: string, key: string, link: PublisherLink) => Promise<RtmpPublisher>;

/** Makes what lets publishers in whose key was decided on. Rejects with LecternError. */
export function createRtmpPublishing(options: RtmpPublishingOptions): RtmpPublishing {
  return async (channel, key, link) => {
    const lesson = parsePublishKey(key)?.lesson;
    if (lesson === undefined) throw new LecternError('publish-key-invalid');
    const title = options.titleOf(channel) ?? UNTITLED;
    const ask = { channel, lesson, kind: 'rtmp', name: 'Encoder', title } as const;
    const publication = await options.publications.open(ask, {
      // RTMP has no way to ask for one.
      keyframeWanted: () => undefined,
      refused: (error) => link.refuse(error),
      notice: (notice) => link.notice(sentenceOf(notice)),
    });
    return new Publisher(publication, link, options.onMalformed);
  };
}

class Publisher implements RtmpPublisher {
  readonly #publication: Publication;
  readonly #link: PublisherLink;
  readonly #source: FlvSource;
  readonly #timer: NodeJS.Timeout;
  #mediaAtMs = performance.now();

  constructor(publication: Publication, link: PublisherLink, onMalformed: () => void) {
    this.#publication = publication;
    this.#link = link;
    this.#source = new FlvSource({ publication, onMalformed });
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  media(type: FlvTagType, timestampMs: number, body: Uint8Array): void {
    this.#mediaAtMs = performance.now();
    this.#source.publishTag(type, timestampMs, body);
    const aheadMs = this.#publication.aheadMs - AHEAD_MS;
    if (aheadMs > 0) this.#link.pauseFor(Math.min(LOOK_EVERY_MS, aheadMs));
  }

  end(how: 'finished' | 'lost'): void {
    clearInterval(this.#timer);
    this.#publication.end(how);
  }

  #look(): void {
    if (performance.now() - this.#mediaAtMs < SILENT_MS) return;
    this.end('lost');
    this.#link.refuse(new LecternError('bad-request', 'Nothing came for 15 seconds.'));
  }
}
