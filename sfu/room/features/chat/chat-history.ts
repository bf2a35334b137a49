// What is remembered of a lesson's chat: the newest messages, and how much each person wrote in all. Folded
// from the room's events when it opens, and kept up while it is open.
import { CHAT_HISTORY, CHAT_HISTORY_BYTES, type ChatMessage } from '#shared/contract/features/chat.ts';

/** How many messages, and bytes of them, are kept to recognise one that is sent again. */
const REMEMBERED = 5 * CHAT_HISTORY;
const REMEMBERED_BYTES = 4 * CHAT_HISTORY_BYTES;
/** What a message costs next to its text: in the event log and in the school's database. */
const MESSAGE_BYTES = 200;

const encoder = new TextEncoder();

/** What a message of this text counts for, in bytes. */
export const chatBytes = (text: string): number => encoder.encode(text).length + MESSAGE_BYTES;

export class ChatHistory {
  /** In the order of posting. A deleted message stays as null, so that a late repeat cannot revive it. */
  readonly #messages = new Map<string, ChatMessage | null>();
  readonly #written = new Map<string, number>();
  #remembered = 0;
  #total = 0;

  /** Bytes that were written in the lesson, deleted ones among them, and without those of people who were removed. */
  get total(): number {
    return this.#total;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** The message of this id; null if it was deleted, undefined if none is remembered. */
  get(id: string): ChatMessage | null | undefined {
    return this.#messages.get(id);
  }

  /** What is remembered, oldest first. */
  values(): ChatMessage[] {
    return [...this.#messages.values()].filter((message) => message !== null);
  }

  /** Bytes that this person wrote in the lesson. */
  writtenBy(peerId: string): number {
    return this.#written.get(peerId) ?? 0;
  }

  add(message: ChatMessage): void {
    const bytes = chatBytes(message.text);
    this.#messages.set(message.id, message);
    this.#written.set(message.peerId, this.writtenBy(message.peerId) + bytes);
    this.#total += bytes;
    this.#remembered += bytes;
    while (this.#messages.size > REMEMBERED || this.#remembered > REMEMBERED_BYTES) {
      const [oldest] = this.#messages.keys();
      if (oldest === undefined) return;
      this.#forget(oldest);
      this.#messages.delete(oldest);
    }
  }

  delete(id: string): void {
    this.#forget(id);
    this.#messages.set(id, null);
  }

  /** What a removed person wrote takes no room from the others: who removes a flood makes the chat usable again. */
  giveBack(peerId: string): void {
    this.#total -= this.writtenBy(peerId);
    this.#written.delete(peerId);
  }

  /** What a newcomer is given, oldest first. */
  history(): ChatMessage[] {
    const newest = this.values().slice(-CHAT_HISTORY);
    let left = CHAT_HISTORY_BYTES;
    const from = newest.findLastIndex(({ text }) => (left -= chatBytes(text)) < 0);
    return newest.slice(from + 1);
  }

  #forget(id: string): void {
    const message = this.#messages.get(id) ?? null;
    if (message !== null) this.#remembered -= chatBytes(message.text);
  }
}
