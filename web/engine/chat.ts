// The conversation as this tab sees it: what the room said, and what is still on its way out.
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import { makeId } from '#shared/contract/ids.ts';
import type { ChatMessage } from '#shared/contract/signalling.ts';
import { Emitter } from './emitter.ts';
import type { Signalling } from './signalling.ts';

const ID_LENGTH = 16;
/** Older messages are let go; the room's own history is shorter still. */
const MAX_MESSAGES = 500;

/** Our own message before the room has it. */
export interface OutgoingMessage {
  readonly id: string;
  readonly text: string;
  readonly state: { readonly name: 'sending' } | { readonly name: 'failed'; readonly code: ErrorCode };
}

export interface ChatEvents {
  changed: [];
  /** Someone else wrote something new. */
  received: [message: ChatMessage];
}

export class ChatLog extends Emitter<ChatEvents> {
  readonly #signalling: Pick<Signalling, 'request'>;
  #messages: readonly ChatMessage[] = [];
  #outgoing: readonly OutgoingMessage[] = [];

  constructor(signalling: Pick<Signalling, 'request'>) {
    super();
    this.#signalling = signalling;
  }

  /** Oldest first. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** In the order in which they were written; shown after {@link messages}. */
  get outgoing(): readonly OutgoingMessage[] {
    return this.#outgoing;
  }

  /** The room was joined: its history replaces ours, and what waited is sent. */
  joined(history: readonly ChatMessage[]): void {
    this.#messages = history;
    const arrived = new Set(history.map((message) => message.id));
    this.#outgoing = this.#outgoing.filter((message) => !arrived.has(message.id));
    this.emit('changed');
    for (const { id, state } of this.#outgoing) {
      if (state.name === 'sending') void this.#deliver(id);
    }
  }

  posted(message: ChatMessage, mine: boolean): void {
    if (this.#messages.some((known) => known.id === message.id)) return;
    this.#messages = [...this.#messages, message].slice(-MAX_MESSAGES);
    this.#outgoing = this.#outgoing.filter((own) => own.id !== message.id);
    this.emit('changed');
    if (!mine) this.emit('received', message);
  }

  deleted(id: string): void {
    this.#messages = this.#messages.filter((message) => message.id !== id);
    this.emit('changed');
  }

  /** Says something. It is shown at once and delivered when there is a connection. */
  send(text: string): void {
    const id = makeId((bytes) => crypto.getRandomValues(bytes), ID_LENGTH);
    this.#outgoing = [...this.#outgoing, { id, text, state: { name: 'sending' } }];
    this.emit('changed');
    void this.#deliver(id);
  }

  /** Tries a failed message again, under the same id: the room never has it twice. */
  retry(id: string): void {
    this.#mark(id, { name: 'sending' });
    void this.#deliver(id);
  }

  /** Forgets a failed message. */
  discard(id: string): void {
    this.#outgoing = this.#outgoing.filter((message) => message.id !== id);
    this.emit('changed');
  }

  async #deliver(id: string): Promise<void> {
    const message = this.#outgoing.find((one) => one.id === id);
    if (message === undefined) return;
    try {
      const sent = await this.#signalling.request('chat:send', { id, text: message.text });
      this.posted(sent.message, true);
    } catch (error) {
      const code = error instanceof LecternError ? error.code : 'internal-error';
      // Not connected: it stays `sending` and goes out with the next join.
      if (code !== 'service-unavailable' && code !== 'not-joined') this.#mark(id, { name: 'failed', code });
    }
  }

  #mark(id: string, state: OutgoingMessage['state']): void {
    this.#outgoing = this.#outgoing.map((message) => (message.id === id ? { ...message, state } : message));
    this.emit('changed');
  }
}
