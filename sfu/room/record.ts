// What of a room outlives the process: a log of entries, folded into a record when the room is opened.
import type { ChatMessage } from '#shared/contract/signalling.ts';
import { ChatLog } from './chat-log.ts';
import { inviteOf, type LinkVersions } from '#shared/contract/tickets.ts';
import type { Permission, Role } from '#shared/domain/permissions.ts';

/** One run of the room's channel. */
export interface BroadcastRun {
  readonly id: string;
  readonly channel: string;
  readonly title: string;
  /** The peer who started it: its picture is the programme while there is one. */
  readonly startedBy: string;
}

/** A broadcast that ended without anybody having wanted it; they are told when they come back. */
export interface AbsentEnd {
  readonly broadcast: string;
  /** How much of it was broadcast, in ms; null where nobody knows. */
  readonly durationMs: number | null;
}

/** A peer as it is remembered; permissions are those of its ticket, grants are kept apart. */
export interface PeerRecord {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly permissions: readonly Permission[];
  readonly joinedAtMs: number;
  /** The invitation it came by; left out by earlier versions of this service. */
  readonly invite?: string | undefined;
}

export type JournalEntry =
  | { readonly type: 'room:opened' }
  | { readonly type: 'room:closed' }
  | { readonly type: 'peer:joined'; readonly peer: PeerRecord }
  | { readonly type: 'peer:left'; readonly peerId: string }
  | { readonly type: 'peer:removed'; readonly peerId: string }
  | { readonly type: 'peer:admitted'; readonly peerId: string }
  | { readonly type: 'links:replaced'; readonly links: LinkVersions }
  | { readonly type: 'peer:permitted'; readonly peerId: string; readonly permissions: readonly Permission[] }
  | { readonly type: 'chat:posted'; readonly message: ChatMessage }
  | { readonly type: 'chat:deleted'; readonly messageId: string }
  | { readonly type: 'broadcast:started'; readonly run: BroadcastRun }
  /** `absent` if it ended because nobody who teaches was there for too long. */
  | { readonly type: 'broadcast:stopped'; readonly absent?: AbsentEnd }
  | { readonly type: 'encoder:aired'; readonly publication: string };

export interface RoomRecord {
  state: 'new' | 'opened' | 'closed';
  /** Who was in the room when the process ended. */
  readonly present: Map<string, PeerRecord>;
  readonly removed: Set<string>;
  /** Editions of links by which somebody came who was removed: newcomers by them wait. */
  readonly guarded: Set<string>;
  /** Who was in the room since the last removal or was admitted to it, or was there then. */
  readonly known: Set<string>;
  /** The version of each link that is good. */
  links: LinkVersions;
  /** The grantable permissions that a person was given or left with, by peer id. */
  readonly grants: Map<string, readonly Permission[]>;
  readonly chat: ChatLog;
  /** The broadcast that should be on air. */
  onAir: BroadcastRun | null;
  /** How the last broadcast ended, if nobody wanted that. */
  absentEnd: AbsentEnd | null;
  /** The last publication that put the room on air by itself: it does so once. */
  aired: string | null;
}

/** How many people a room knows; the first are forgotten first. */
const MAX_KNOWN = 10_000;

/** Adds somebody to those whom a room knows. */
export function rememberPeer(known: Set<string>, peerId: string): void {
  known.delete(peerId);
  known.add(peerId);
  const [first] = known;
  if (known.size > MAX_KNOWN && first !== undefined) known.delete(first);
}

/**
 * Forgets all but those who are here: somebody who was removed may have come and gone under other names before, to
 * walk in by one of them afterwards.
 */
export function forgetAbsent(known: Set<string>, isHere: (peerId: string) => boolean): void {
  for (const peerId of known) if (!isHere(peerId)) known.delete(peerId);
}

/** The record of a room that nothing is known of. */
export function emptyRecord(): RoomRecord {
  return {
    state: 'new',
    present: new Map(),
    removed: new Set(),
    guarded: new Set(),
    known: new Set(),
    links: { teacher: 0, assistant: 0, student: 0, watch: 0 },
    grants: new Map(),
    chat: new ChatLog(),
    onAir: null,
    absentEnd: null,
    aired: null,
  };
}

/** Lets `record` remember one more entry. */
export function remember(record: RoomRecord, entry: JournalEntry): void {
  switch (entry.type) {
    case 'room:opened':
      record.state = 'opened';
      break;
    case 'room:closed':
      record.state = 'closed';
      record.present.clear();
      record.onAir = null;
      break;
    case 'peer:joined':
      record.present.set(entry.peer.id, entry.peer);
      rememberPeer(record.known, entry.peer.id);
      break;
    case 'peer:left':
      record.present.delete(entry.peerId);
      break;
    case 'peer:removed': {
      const peer = record.present.get(entry.peerId);
      if (peer !== undefined) {
        record.guarded.add(inviteOf(peer));
        forgetAbsent(record.known, (id) => record.present.has(id));
      }
      record.present.delete(entry.peerId);
      record.removed.add(entry.peerId);
      record.chat.giveBack(entry.peerId);
      break;
    }
    case 'peer:admitted':
      rememberPeer(record.known, entry.peerId);
      break;
    case 'links:replaced':
      record.links = entry.links;
      break;
    case 'peer:permitted':
      record.grants.set(entry.peerId, entry.permissions);
      break;
    case 'chat:posted':
      record.chat.add(entry.message);
      break;
    case 'chat:deleted':
      record.chat.delete(entry.messageId);
      break;
    case 'broadcast:started':
      record.onAir = entry.run;
      record.absentEnd = null;
      break;
    case 'broadcast:stopped':
      record.onAir = null;
      record.absentEnd = entry.absent ?? null;
      break;
    case 'encoder:aired':
      record.aired = entry.publication;
      break;
  }
}
