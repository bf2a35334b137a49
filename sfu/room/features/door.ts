// Who gets as far as the room: which links are good, and who has to wait until somebody inside says yes.
// A removal makes newcomers by the same link wait; people who were inside then, or are admitted, walk in.
import { LecternError } from '#shared/contract/errors.ts';
import { door as spec } from '#shared/contract/features/door.ts';
import { RESUME_WINDOW_MS } from '#shared/contract/signalling.ts';
import type { WaitingView } from '#shared/contract/features/door.ts';
import { inviteOf, parseInvite, type Ticket } from '#shared/contract/tickets.ts';
import { teaches } from '#shared/domain/roles.ts';
import { LinkName, type LinkVersions } from '#shared/contract/links.ts';
import type { RoomContext } from '../context.ts';
import type { Link } from '../ports.ts';
import { feature } from './feature.ts';
import { MANAGE } from './rates.ts';

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

/** How many people a room knows; the first are forgotten first. */
const MAX_KNOWN = 10_000;

/** What the door remembers of a room. */
interface DoorMemory {
  /** Who is inside, with the invitation each came by. */
  readonly inside: Map<string, string>;
  /** Editions of links by which somebody came who was removed: newcomers by them wait. */
  readonly guarded: Set<string>;
  /** Who was in the room since the last removal or was admitted to it, or was there then. */
  readonly known: Set<string>;
  /** The version of each link that is good. */
  links: LinkVersions;
  /** Whether students have to agree to be recorded; null while their tickets alone say it. */
  asksConsent: boolean | null;
}

/** Adds somebody to those whom a room knows. */
function rememberPeer({ known }: DoorMemory, peerId: string): void {
  known.delete(peerId);
  known.add(peerId);
  const [first] = known;
  if (known.size > MAX_KNOWN && first !== undefined) known.delete(first);
}

export const door = feature({
  spec,
  memory: (): DoorMemory => ({
    inside: new Map(),
    guarded: new Set(),
    known: new Set(),
    links: { teacher: 0, assistant: 0, student: 0, watch: 0 },
    asksConsent: null,
  }),
  remember(memory, event) {
    const { inside, guarded, known } = memory;
    if (event.type === 'peer:joined' || event.type === 'peer:changed') {
      inside.set(event.peer.id, inviteOf(event.peer));
      rememberPeer(memory, event.peer.id);
    } else if (event.type === 'peer:left') inside.delete(event.peerId);
    else if (event.type === 'room:closed') inside.clear();
    else if (event.type === 'peer:admitted') rememberPeer(memory, event.peerId);
    else if (event.type === 'links:replaced') memory.links = event.links;
    else if (event.type === 'consent:asked') memory.asksConsent = event.isAsked;
    else if (event.type === 'peer:removed') {
      const invite = inside.get(event.peerId);
      if (invite === undefined) return;
      guarded.add(invite);
      // Somebody who was removed may have come and gone under other names before, to walk in by one of them
      // afterwards: all are forgotten but those who are here.
      for (const peerId of known) if (!inside.has(peerId)) known.delete(peerId);
      inside.delete(event.peerId);
    }
  },
  rates: { 'door:admit': MANAGE, 'door:refuse': MANAGE },
  open(room, memory) {
    const open = new DoorFeature(room, memory);
    return {
      requests: {
        'door:admit': (_call, { peerIds }) => {
          open.admit(peerIds);
          return {};
        },
        'door:refuse': (_call, { peerIds }) => {
          open.refuse(peerIds);
          return {};
        },
      },
      snapshot: (peer) => ({ waiting: peer.may('peer:manage') ? open.views() : [] }),
      linkLost: (peerId, link) => open.lost(peerId, link),
      close: () => open.close(),
      free: () => open.close(),
      door: open,
    };
  },
});

class DoorFeature {
  readonly #room: RoomContext;
  readonly #memory: DoorMemory;
  /** In the order in which they came. */
  readonly #waiting = new Map<string, Guest>();
  #knocks = { fromMs: 0, count: 0 };

  constructor(room: RoomContext, memory: DoorMemory) {
    this.#room = room;
    this.#memory = memory;
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
    const isInside = this.#room.members.get(ticket.sub) !== undefined;
    if (!isInside && isReplaced(inviteOf(ticket), this.#memory.links)) {
      throw new LecternError('link-replaced');
    }
  }

  /**
   * Throws LecternError `consent-needed` for a student who is not inside and did not agree to be recorded, where the
   * class asks for that: by what the school said last, whatever an older ticket says.
   */
  requireConsent(ticket: Ticket, consents: boolean): void {
    const isAsked = this.#memory.asksConsent ?? ticket.asksConsent ?? false;
    if (!isAsked || consents || teaches(ticket.role)) return;
    if (this.#room.members.get(ticket.sub) === undefined) throw new LecternError('consent-needed');
  }

  /** Takes over whether students have to agree to be recorded. */
  setConsent(isAsked: boolean): void {
    if (isAsked !== (this.#memory.asksConsent ?? false))
      this.#room.events.append({ type: 'consent:asked', isAsked });
  }

  /**
   * Lets the holder of a ticket into the room. Throws LecternError `must-wait` for somebody who has to wait;
   * from then on those who manage people see the name, and `door:opened` says when to join again. Throws
   * `rate-limited` while too many wait.
   */
  pass(ticket: Ticket, name: string, link: Link): void {
    const { known, guarded } = this.#memory;
    const invite = inviteOf(ticket);
    const isKnown = this.#room.members.get(ticket.sub) !== undefined || known.has(ticket.sub);
    if (teaches(ticket.role) || isKnown || !guarded.has(invite)) return;
    this.#knock(ticket.sub, { name, invite, link });
    throw new LecternError('must-wait');
  }

  /** Somebody came in, who may have waited. */
  entered(peerId: string): void {
    this.#forget([peerId]);
  }

  /** Lets people in who wait; ids of others are ignored, as another assistant may have been quicker. */
  admit(peerIds: readonly string[]): void {
    const { deps, lesson, events } = this.#room;
    for (const peerId of peerIds) {
      const guest = this.#waiting.get(peerId);
      if (guest === undefined) continue;
      events.append({ type: 'peer:admitted', peerId });
      guest.link?.send('door:opened', {});
      deps.log.info({ lesson, peer: peerId }, 'admitted at the door');
    }
    this.#forget(peerIds);
  }

  /** Sends people away who wait: their tickets do not come in again. Others are ignored. */
  refuse(peerIds: readonly string[]): void {
    for (const peerId of peerIds) {
      if (!this.#waiting.has(peerId)) continue;
      this.#room.members.ban(peerId);
      this.#room.deps.log.info({ lesson: this.#room.lesson, peer: peerId }, 'refused at the door');
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
    const newer = raised(this.#memory.links, links);
    if (newer === null) return;
    this.#room.events.append({ type: 'links:replaced', links: newer });
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
    const { deps, lesson } = this.#room;
    const sinceMs = deps.now();
    this.#makeRoom(sinceMs);
    const guest = { name, invite, sinceMs, link, timer: undefined };
    this.#waiting.set(peerId, guest);
    this.#room.members.notifyTeachers('door:knocked', viewOf(peerId, guest));
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
    if (gone.length > 0) this.#room.members.notifyTeachers('door:left', { peerIds: gone });
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
