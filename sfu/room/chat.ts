// The room's chat: what may be posted, and that the same message sent twice is posted once.
import { LecternError } from '#shared/contract/errors.ts';
import type { ChatMessage, RequestData } from '#shared/contract/signalling.ts';
import { teaches } from '#shared/domain/permissions.ts';
import { TokenBucket, type Rate } from './bucket.ts';
import { chatBytes, type ChatLog } from './chat-log.ts';
import type { Members } from './members.ts';
import type { Peer } from './peer.ts';
import type { RoomDeps } from './ports.ts';

/** All students of a room: a whole class answers a question at once. Each person has a rate of its own. */
const ROOM_RATE: Rate = { size: 150, perSecond: 10 };
/** What one person may write in a lesson, in bytes: some thousand short messages. */
export const MAX_BYTES_PER_PERSON = 256 * 1024;
/** What all write in a lesson, in bytes. Everyone who opens the replay gets it. */
export const MAX_BYTES_PER_LESSON = 4 * 1024 * 1024;
/** What those who teach may write beyond that: where to go on, for example. */
const BEYOND_BYTES = 128 * 1024;

export interface ChatOptions {
  readonly lesson: string;
  readonly log: ChatLog;
  readonly members: Members;
  readonly deps: RoomDeps;
}

export class Chat {
  readonly #options: ChatOptions;
  readonly #rate: TokenBucket;

  constructor(options: ChatOptions) {
    this.#options = options;
    this.#rate = new TokenBucket(ROOM_RATE, options.deps.now());
  }

  history(): ChatMessage[] {
    return this.#options.log.history();
  }

  /**
   * Posts once per id; the same id sent again gives the message that is there.
   * Throws LecternError `conflict` if the id was another person's or its message was deleted,
   * `rate-limited` while too many write, `chat-full` once this person or the lesson wrote all that fits, and
   * `disk-full` or `disk-unavailable` while no message could be kept.
   */
  post(peer: Peer, { id, text }: RequestData<'chat:send'>): ChatMessage {
    const { lesson, log, members, deps } = this.#options;
    const posted = log.get(id);
    if (posted !== undefined) {
      if (posted?.peerId !== peer.id) throw new LecternError('conflict', 'This message id is taken.');
      return posted;
    }
    const atMs = deps.now();
    this.#require(peer, text, atMs);
    peer.active = true;
    const { name, role } = peer;
    const message = { id, peerId: peer.id, name, role, text, sentAtMs: atMs };
    const wasFull = this.#full;
    // First the outbox, then the journal: after a crash between them the sender's repeat is posted
    // again under the same id, which `school` recognises. The other way round it would never hear. A
    // message that only the journal refuses is known to `school` already, and its repeat is the same one.
    deps.publishNow({ type: 'chat:posted', atMs, lesson, message: id, peer: peer.id, name, role, text });
    deps.journal.appendNow(lesson, { type: 'chat:posted', message });
    log.add(message);
    members.tell('chat:posted', message);
    if (wasFull || !this.#full) return message;
    deps.log.info({ lesson }, 'the chat is full');
    members.tellTeachers('chat:filled', {});
    return message;
  }

  /** Throws LecternError `not-found` if there is no such message. */
  delete(messageId: string): void {
    const { lesson, log, members, deps } = this.#options;
    if ((log.get(messageId) ?? null) === null) {
      throw new LecternError('not-found', 'There is no such message.');
    }
    log.delete(messageId);
    deps.publish({ type: 'chat:deleted', atMs: deps.now(), lesson, message: messageId });
    deps.journal.append(lesson, { type: 'chat:deleted', messageId });
    members.tell('chat:deleted', { messageId });
  }

  /** Lets the others write what a person wrote who was removed. */
  giveBack(peerId: string): void {
    this.#options.log.giveBack(peerId);
  }

  get #full(): boolean {
    return this.#options.log.total >= MAX_BYTES_PER_LESSON;
  }

  #require({ id, role }: Peer, text: string, nowMs: number): void {
    const { log } = this.#options;
    if (teaches(role)) {
      if (log.total >= MAX_BYTES_PER_LESSON + BEYOND_BYTES) throw new LecternError('chat-full');
      return;
    }
    const own = log.writtenBy(id) + chatBytes(text);
    if (this.#full || own > MAX_BYTES_PER_PERSON) throw new LecternError('chat-full');
    if (!this.#rate.take(nowMs)) {
      throw new LecternError('rate-limited', 'Many people are writing; wait a moment and send it again.');
    }
  }
}
