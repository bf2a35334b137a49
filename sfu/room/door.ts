// Who gets as far as the room: which links are good, and who has to wait until somebody inside says yes.
// A removal makes newcomers by the same link wait; people who were inside then, or are admitted, walk in.
import { LecternError } from '#shared/contract/errors.ts';
import { RESUME_WINDOW_MS, type WaitingView } from '#shared/contract/signalling.ts';
import { inviteOf, LinkName, parseInvite, type LinkVersions, type Ticket } from '#shared/contract/tickets.ts';
import type { Members } from './members.ts';
import type { Link, RoomDeps } from './ports.ts';
import { forgetAbsent, rememberPeer, type RoomRecord } from './record.ts';

/** How many wait at once. One more asks again; people who are not connected give their place up first. */
export const MAX_WAITING = 50;
/** How many newcomers a room announces in a minute: each is a note on the teacher's page. */
export const MAX_KNOCKS = { count: 100, withinMs: 60_000 };

interface Guest {
  readonly name: string;
  readonly invite: string;
  readonly sinceMs: number;
  /** Null while the connection is lost. */
  link: Link | null;
  timer: NodeJS.Timeout | undefined;
}

export interface DoorOptions {
  readonly lesson: string;
  readonly record: RoomRecord;
  readonly deps: RoomDeps;
  readonly members: Members;
}

export class Door {
  readonly #options: DoorOptions;
  /** In the order in which they came. */
  readonly #waiting = new Map<string, Guest>();
  #knocks = { fromMs: 0, count: 0 };

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** All who wait, the first first. */
  views(): WaitingView[] {
    return [...this.#waiting].map(([id, guest]) => viewOf(id, guest));
  }

  /**
   * Lets the holder of a ticket on to the room's pages. Throws LecternError `link-replaced` for somebody
   * who is not inside and came by a link that was replaced.
   */
  requireGoodLink(ticket: Ticket): void {
    const { members, record } = this.#options;
    if (members.get(ticket.sub) === undefined && isReplaced(inviteOf(ticket), record.links)) {
      throw new LecternError('link-replaced');
    }
  }

  /**
   * Lets the holder of a ticket into the room. Throws LecternError `must-wait` for somebody who has to wait;
   * from then on those who manage people see the name, and `door:opened` says when to join again. Throws
   * `rate-limited` while too many wait.
   */
  pass(ticket: Ticket, name: string, link: Link): void {
    const { members, record } = this.#options;
    const invite = inviteOf(ticket);
    const isKnown = members.get(ticket.sub) !== undefined || record.known.has(ticket.sub);
    if (ticket.role === 'teacher' || ticket.role === 'assistant' || isKnown || !record.guarded.has(invite)) {
      return;
    }
    this.#knock(ticket.sub, { name, invite, link });
    throw new LecternError('must-wait');
  }

  /** Somebody who came by `invite` was removed: newcomers by it wait from now on. Journalled with the removal. */
  guard(invite: string): void {
    const { record, members } = this.#options;
    record.guarded.add(invite);
    forgetAbsent(record.known, (peerId) => members.get(peerId) !== undefined);
  }

  /** The room has seen this person: a removal of somebody else does not keep them out. */
  entered(peerId: string): void {
    rememberPeer(this.#options.record.known, peerId);
    this.#forget([peerId]);
  }

  /** Lets people in who wait; ids of others are ignored, as another assistant may have been quicker. */
  admit(peerIds: readonly string[]): void {
    const { deps, lesson, record } = this.#options;
    for (const peerId of peerIds) {
      const guest = this.#waiting.get(peerId);
      if (guest === undefined) continue;
      deps.journal.append(lesson, { type: 'peer:admitted', peerId });
      rememberPeer(record.known, peerId);
      guest.link?.send('door:opened', {});
      deps.log.info({ lesson, peer: peerId }, 'admitted at the door');
    }
    this.#forget(peerIds);
  }

  /** Sends people away who wait: their tickets do not come in again. Others are ignored. */
  refuse(peerIds: readonly string[]): void {
    for (const peerId of peerIds) {
      if (!this.#waiting.has(peerId)) continue;
      this.#options.members.ban(peerId);
      this.#options.deps.log.info({ lesson: this.#options.lesson, peer: peerId }, 'refused at the door');
    }
    this.#sendAway(peerIds, 'refused');
  }

  /** The connection is lost: the place is kept for as long as that of somebody inside. */
  lost(peerId: string, link: Link): void {
    const guest = this.#waiting.get(peerId);
    if (guest?.link !== link) return;
    guest.link = null;
    guest.timer = setTimeout(() => this.#forget([peerId]), RESUME_WINDOW_MS);
  }

  /** Takes over which links are good; who waits by another one is sent away. No-op if unchanged. */
  setLinks(links: LinkVersions): void {
    const { deps, lesson, record } = this.#options;
    const newer = raised(record.links, links);
    if (newer === null) return;
    deps.journal.append(lesson, { type: 'links:replaced', links: newer });
    record.links = newer;
    const replaced = [...this.#waiting].filter(([, { invite }]) => isReplaced(invite, newer));
    this.#sendAway(
      replaced.map(([peerId]) => peerId),
      'link-replaced',
    );
  }

  /** Forgets all who wait, without a word. */
  close(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }

  #knock(peerId: string, { name, invite, link }: Pick<Guest, 'name' | 'invite'> & { link: Link }): void {
    const known = this.#waiting.get(peerId);
    if (known !== undefined) {
      clearTimeout(known.timer);
      known.link = link;
      return;
    }
    const { deps, lesson } = this.#options;
    const sinceMs = deps.now();
    this.#makeRoom(sinceMs);
    const guest = { name, invite, sinceMs, link, timer: undefined };
    this.#waiting.set(peerId, guest);
    this.#options.members.tellTeachers('door:knocked', viewOf(peerId, guest));
    deps.log.info({ lesson, peer: peerId }, 'waits at the door');
  }

  /** Throws LecternError `rate-limited` where one more cannot wait. */
  #makeRoom(nowMs: number): void {
    const full = new LecternError('rate-limited', 'Many people are waiting to come in; stay on this page.');
    if (nowMs - this.#knocks.fromMs >= MAX_KNOCKS.withinMs) this.#knocks = { fromMs: nowMs, count: 0 };
    if (this.#knocks.count >= MAX_KNOCKS.count) throw full;
    if (this.#waiting.size >= MAX_WAITING) {
      const absent = [...this.#waiting].find(([, { link }]) => link === null);
      if (absent === undefined) throw full;
      this.#forget([absent[0]]);
    }
    this.#knocks.count += 1;
  }

  #sendAway(peerIds: readonly string[], reason: 'refused' | 'link-replaced'): void {
    for (const peerId of peerIds) {
      const link = this.#waiting.get(peerId)?.link;
      link?.send('room:closed', { reason });
      link?.close();
    }
    this.#forget(peerIds);
  }

  #forget(peerIds: readonly string[]): void {
    const gone = peerIds.filter((peerId) => {
      clearTimeout(this.#waiting.get(peerId)?.timer);
      return this.#waiting.delete(peerId);
    });
    if (gone.length > 0) this.#options.members.tellTeachers('door:left', { peerIds: gone });
  }
}

const viewOf = (id: string, { name, sinceMs }: Guest): WaitingView => ({ id, name, sinceMs });

const isReplaced = (invite: string, links: LinkVersions): boolean => {
  const { link, version } = parseInvite(invite);
  return version < links[link];
};

/** The higher version of each link; null if that is `known`. */
export function raised(known: LinkVersions, links: LinkVersions): LinkVersions | null {
  const newer = { ...known };
  for (const link of LinkName.options) newer[link] = Math.max(known[link], links[link]);
  return LinkName.options.every((link) => newer[link] === known[link]) ? null : newer;
}
