// The room's chat: what may be posted, and that the same message sent twice is posted once.
import { LecternError } from '#shared/contract/errors.ts';
import { chat as spec, type ChatMessage } from '#shared/contract/features/chat.ts';
import type { RequestData } from '#shared/contract/signalling.ts';
import { teaches } from '#shared/domain/roles.ts';
import { TokenBucket, type Rate } from '#shared/token-bucket.ts';
import type { RoomContext } from '../../context.ts';
import type { Peer } from '../../peer.ts';
import { feature } from '../feature.ts';
import { CHAT, MANAGE } from '../rates.ts';
import { chatBytes, ChatHistory } from './chat-history.ts';

/** All students of a room: a whole class answers a question at once. Each person has a rate of its own. */
const ROOM_RATE: Rate = { size: 150, perSecond: 10 };
/** What one person may write in a lesson, in bytes: some thousand short messages. */
export const MAX_BYTES_PER_PERSON = 256 * 1024;
/** What all write in a lesson, in bytes. Everyone who opens the replay gets it. */
export const MAX_BYTES_PER_LESSON = 4 * 1024 * 1024;
/** What those who teach may write beyond that: where to go on, for example. */
const BEYOND_BYTES = 128 * 1024;

export const chat = feature({
  spec,
  memory: () => new ChatHistory(),
  remember(log, event) {
    if (event.type === 'chat:posted') log.add(event.message);
    else if (event.type === 'chat:deleted') log.delete(event.messageId);
    else if (event.type === 'peer:removed') log.giveBack(event.peerId);
  },
  rates: { 'chat:send': CHAT, 'chat:delete': MANAGE },
  open(room, log) {
    const open = new Chat(room, log);
    return {
      requests: {
        'chat:send': ({ peer }, data) => ({ message: open.post(peer, data) }),
        'chat:delete': (_call, { messageId }) => {
          open.delete(messageId);
          return {};
        },
      },
      snapshot: () => ({ chat: log.history() }),
      wasActive: (peerId) => log.writtenBy(peerId) > 0,
    };
  },
});

class Chat {
  readonly #room: RoomContext;
  readonly #log: ChatHistory;
  readonly #rate: TokenBucket;

  constructor(room: RoomContext, log: ChatHistory) {
    this.#room = room;
    this.#log = log;
    this.#rate = new TokenBucket(ROOM_RATE, room.deps.now());
  }

  /**
   * Posts once per id; the same id sent again gives the message that is there.
   * Throws LecternError `conflict` if the id was another person's or its message was deleted,
   * `rate-limited` while too many write, `chat-full` once this person or the lesson wrote all that fits, and
   * `disk-full` or `disk-unavailable` while no message could be kept.
   */
  post(peer: Peer, { id, text }: RequestData<'chat:send'>): ChatMessage {
    const { lesson, members, deps, events } = this.#room;
    const posted = this.#log.get(id);
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
    events.appendNow({ type: 'chat:posted', message });
    members.notify('chat:posted', message);
    if (wasFull || !this.#full) return message;
    deps.log.info({ lesson }, 'the chat is full');
    members.notifyTeachers('chat:filled', {});
    return message;
  }

  /** Throws LecternError `not-found` if there is no such message. */
  delete(messageId: string): void {
    const { members, events } = this.#room;
    if ((this.#log.get(messageId) ?? null) === null) {
      throw new LecternError('not-found', 'There is no such message.');
    }
    events.append({ type: 'chat:deleted', messageId });
    members.notify('chat:deleted', { messageId });
  }

  get #full(): boolean {
    return this.#log.total >= MAX_BYTES_PER_LESSON;
  }

  #require({ id, role }: Peer, text: string, nowMs: number): void {
    const log = this.#log;
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
