// The room's chat: bounded history, and the same message sent twice is posted once.
import { CHAT_HISTORY, type ChatMessage } from '#shared/contract/signalling.ts';
import { LecternError } from '#shared/contract/errors.ts';

/** How many messages are kept to recognise one that is sent again. */
const REMEMBERED = 5 * CHAT_HISTORY;

export class Chat {
  /** In the order of posting. A deleted message stays as null, so that a late repeat cannot revive it. */
  readonly #messages = new Map<string, ChatMessage | null>();

  constructor(history: Iterable<ChatMessage>) {
    for (const message of history) this.add(message);
  }

  /**
   * The message that this peer already posted under `id`, if it did.
   * Throws LecternError `conflict` if the id was another person's, or its message was deleted.
   */
  posted(peerId: string, id: string): ChatMessage | undefined {
    const message = this.#messages.get(id);
    if (message === undefined) return undefined;
    if (message?.peerId !== peerId) throw new LecternError('conflict', 'This message id is taken.');
    return message;
  }

  add(message: ChatMessage): void {
    this.#messages.set(message.id, message);
    if (this.#messages.size <= REMEMBERED) return;
    const [oldest] = this.#messages.keys();
    if (oldest !== undefined) this.#messages.delete(oldest);
  }

  /** Throws LecternError `not-found` if there is no such message. */
  delete(id: string): void {
    if ((this.#messages.get(id) ?? null) === null) {
      throw new LecternError('not-found', 'There is no such message.');
    }
    this.#messages.set(id, null);
  }

  /** The newest `CHAT_HISTORY` messages, oldest first. */
  history(): ChatMessage[] {
    return [...this.#messages.values()].filter((message) => message !== null).slice(-CHAT_HISTORY);
  }
}
