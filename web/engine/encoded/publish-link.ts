// The one connection over which encoded frames leave (shared/media/publish-frames.ts). It
// comes back by itself for as long as it is wanted.
import { Backoff } from '#shared/backoff.ts';
import type { ErrorCode } from '#shared/contract/errors.ts';
import { PublishReply } from '#shared/contract/publish-replies.ts';
import { encodePublishFrame, type PublishFrame } from '#shared/media/publish-frames.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { isRetryable } from '../retryable.ts';

/** The wait before a new attempt. */
const RETRY = { minMs: 250, maxMs: 3_000 };
/** A connection that is not accepted within this many ms is given up. */
const ACCEPT_LIMIT_MS = 8_000;
/** So much is never waiting: the connection is dead, whatever it says. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** Our own connection of before may seem alive to the server for this long, in ms. */
const OWN_GHOST_MS = 15_000;

/** What is used of a WebSocket. */
export interface LinkSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export type LinkState = 'connecting' | 'open' | 'closed';

export interface PublishLinkOptions {
  readonly connect: () => LinkSocket;
  readonly now: () => number;
  /** `open`: whatever was sent before is forgotten, so begin with configurations and a key frame. */
  readonly onState: (state: LinkState) => void;
  readonly onKeyframeWanted: () => void;
  readonly onNotice: (notice: PublisherNotice) => void;
  /** It does not come back. */
  readonly onRefused: (code: ErrorCode) => void;
}

/** Owns the connection. `close()` says goodbye; idempotent. */
export class PublishLink {
  readonly #options: PublishLinkOptions;
  #socket: LinkSocket | undefined;
  #state: LinkState = 'connecting';
  readonly #backoff = new Backoff(RETRY);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #openedAtMs = -Infinity;
  #sentBytes = 0;

  constructor(options: PublishLinkOptions) {
    this.#options = options;
    this.#connect();
  }

  get state(): LinkState {
    return this.#state;
  }

  /** What was sent but has not left yet. */
  get waitingBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Sends a record, or drops it while there is no connection. */
  send(frame: PublishFrame): void {
    const socket = this.#socket;
    if (this.#state !== 'open' || socket === undefined) return;
    if (socket.bufferedAmount > MAX_WAITING_BYTES) {
      this.#lost();
      return;
    }
    const record = encodePublishFrame(frame);
    this.#sentBytes += record.length;
    socket.send(record);
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.send({ kind: 'goodbye' });
    this.#drop();
    this.#to('closed');
  }

  #connect(): void {
    const socket = this.#options.connect();
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    this.#timer = setTimeout(() => this.#lost(), ACCEPT_LIMIT_MS);
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') this.#reply(data);
    };
    socket.onclose = () => this.#lost();
  }

  #reply(text: string): void {
    let reply: PublishReply;
    try {
      reply = PublishReply.parse(JSON.parse(text));
    } catch {
      // Of a newer gateway: what it is about does not concern us.
      return;
    }
    switch (reply.type) {
      case 'accepted':
        clearTimeout(this.#timer);
        this.#backoff.reset();
        this.#openedAtMs = this.#options.now();
        this.#to('open');
        return;
      case 'keyframe-wanted':
        this.#options.onKeyframeWanted();
        return;
      case 'notice':
        this.#options.onNotice(reply.notice);
        return;
      case 'refused':
        this.#refused(reply.code);
    }
  }

  #refused(code: ErrorCode): void {
    const ghost = code === 'already-publishing' && this.#options.now() - this.#openedAtMs < OWN_GHOST_MS;
    if (isRetryable(code) || ghost) {
      this.#lost();
      return;
    }
    this.#drop();
    this.#to('closed');
    this.#options.onRefused(code);
  }

  #lost(): void {
    if (this.#state === 'closed') return;
    // While it stood it was ours until now.
    if (this.#state === 'open') this.#openedAtMs = this.#options.now();
    this.#drop();
    this.#to('connecting');
    this.#timer = setTimeout(() => this.#connect(), this.#backoff.failed());
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(1_000);
  }

  #to(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state);
  }
}
