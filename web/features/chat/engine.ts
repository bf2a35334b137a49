// The conversation as this tab sees it: what the room said, and what is still on its way out.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import { makeId } from '#shared/contract/ids.ts';
import type { ChatMessage } from '#shared/contract/features/chat.ts';
import type { FeatureHost } from '../../engine/feature.ts';

const ID_LENGTH = 16;
/** Older messages are let go; the room's own history is shorter still. */
const MAX_MESSAGES = 500;

/** Our own message before the room has it. */
export interface OutgoingMessage {
  readonly id: string;
  readonly text: string;
  readonly state: { readonly name: 'sending' } | { readonly name: 'failed'; readonly code: ErrorCode };
}

export class ChatLog {
  /** What is being written; kept while the conversation is out of sight. */
  draft = '';
  readonly #host: Pick<FeatureHost, 'request' | 'changed'>;
  #messages: readonly ChatMessage[] = [];
  #outgoing: readonly OutgoingMessage[] = [];
  #unread = 0;
  #isInSight = false;

  constructor(host: Pick<FeatureHost, 'request' | 'changed'>) {
    this.#host = host;
  }

  /** How many messages of others came while the conversation was out of sight. */
  get unread(): number {
    return this.#unread;
  }

  /** While the conversation is in sight, nothing is unread. */
  set inSight(isInSight: boolean) {
    this.#isInSight = isInSight;
    if (!isInSight || this.#unread === 0) return;
    this.#unread = 0;
    this.#host.changed();
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
    this.#host.changed();
    for (const { id, state } of this.#outgoing) {
      if (state.name === 'sending') void this.#deliver(id);
    }
  }

  posted(message: ChatMessage, mine: boolean): void {
    if (this.#messages.some((known) => known.id === message.id)) return;
    this.#messages = [...this.#messages, message].slice(-MAX_MESSAGES);
    this.#outgoing = this.#outgoing.filter((own) => own.id !== message.id);
    if (!mine && !this.#isInSight) this.#unread += 1;
    this.#host.changed();
  }

  deleted(id: string): void {
    this.#messages = this.#messages.filter((message) => message.id !== id);
    this.#host.changed();
  }

  /** Says something. It is shown at once and delivered when there is a connection. */
  send(text: string): void {
    const id = makeId((bytes) => crypto.getRandomValues(bytes), ID_LENGTH);
    this.#outgoing = [...this.#outgoing, { id, text, state: { name: 'sending' } }];
    this.#host.changed();
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
    this.#host.changed();
  }

  /** Takes a message back for everyone. Rejects with the server's refusal. */
  async delete(messageId: string): Promise<void> {
    await this.#host.request('chat:delete', { messageId });
  }

  async #deliver(id: string): Promise<void> {
    const message = this.#outgoing.find((one) => one.id === id);
    if (message === undefined) return;
    try {
      const sent = await this.#host.request('chat:send', { id, text: message.text });
      this.posted(sent.message, true);
    } catch (error) {
      const code = codeOf(error);
      // Not connected: it stays `sending` and goes out with the next join.
      if (code !== 'service-unavailable' && code !== 'not-joined') this.#mark(id, { name: 'failed', code });
    }
  }

  #mark(id: string, state: OutgoingMessage['state']): void {
    this.#outgoing = this.#outgoing.map((message) => (message.id === id ? { ...message, state } : message));
    this.#host.changed();
  }
}

export function createChat(host: FeatureHost): ChatLog {
  const log = new ChatLog(host);
  host.onJoined(({ chat }) => log.joined(chat));
  host.on('chat:posted', (message) => log.posted(message, message.peerId === host.room.you?.id));
  host.on('chat:deleted', ({ messageId }) => log.deleted(messageId));
  host.on('chat:filled', () => host.notice({ type: 'feature', key: 'chat-filled', names: [] }));
  return log;
}
