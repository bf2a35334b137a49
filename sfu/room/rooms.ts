// All rooms of this process: opened by the first ticket, rebuilt from their events, freed when empty.
import { LecternError } from '#shared/contract/errors.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import type { RoomAccess } from '#shared/contract/internal.ts';
import { broadcast, type OnAir } from './features/broadcast/on-air.ts';
import { door, raised } from './features/door.ts';
import type { RoomDeps } from './ports.ts';
import { memoryOf } from './record.ts';
import { Room } from './room.ts';

export class Rooms {
  readonly #deps: RoomDeps;
  readonly #rooms = new Map<string, Room>();
  #open = true;

  constructor(deps: RoomDeps) {
    this.#deps = deps;
  }

  /** Rebuilds the rooms that had someone in them, or were on air, when the process ended. */
  restore(): void {
    for (const id of this.#deps.events.unfinished()) this.#find(id);
  }

  /** The room of a ticket. Throws LecternError `room-closed`, `peer-removed` or `service-unavailable`. */
  enter(ticket: Ticket): Room {
    const room = this.#find(ticket.room);
    if (room === null) throw new LecternError('room-closed');
    room.admit(ticket);
    return room;
  }

  /**
   * The room of a lesson whose publish key somebody showed: opened if it is not yet.
   * Throws LecternError `room-closed` or `service-unavailable`.
   */
  publishTo(lesson: string): Room {
    const room = this.#find(lesson);
    if (room === null) throw new LecternError('room-closed');
    return room;
  }

  /** What is on air on a channel; undefined if nothing is. */
  onAirAt(channel: string): OnAir | undefined {
    for (const room of this.#rooms.values()) {
      const { onAir } = room.get(broadcast);
      if (onAir.channel === channel) return onAir;
    }
    return undefined;
  }

  /** The room if it is in memory. */
  get(id: string): Room | undefined {
    return this.#rooms.get(id);
  }

  /** Takes over what the school says of a room, in memory or not, and decides again on those it let in. */
  setAccess(id: string, { links, asksConsent }: RoomAccess): void {
    const room = this.#rooms.get(id);
    if (room !== undefined && room.state !== 'closed') {
      room.get(door).door.setLinks(links);
      if (asksConsent !== undefined) room.get(door).door.setConsent(asksConsent);
      room.accessChanged();
      return;
    }
    const { events, now } = this.#deps;
    const record = events.load(id);
    if (record.state === 'closed') return;
    const memory = memoryOf(record, door);
    const newer = raised(memory.links, links);
    const stamp = { atMs: now(), room: id, media: null };
    if (newer !== null) events.append({ type: 'links:replaced', links: newer, ...stamp });
    if (asksConsent !== undefined && asksConsent !== (memory.asksConsent ?? false)) {
      events.append({ type: 'consent:asked', isAsked: asksConsent, ...stamp });
    }
  }

  /** The rules of the school changed. */
  recheck(): void {
    for (const room of this.#rooms.values()) room.accessChanged();
  }

  /** Ends the class of this room forever, whether or not it was ever opened. */
  close(id: string): void {
    this.#find(id)?.close();
  }

  count(): { rooms: number; peers: number; waiting: number; whepViewers: number } {
    let peers = 0;
    let waiting = 0;
    let whepViewers = 0;
    for (const room of this.#rooms.values()) {
      peers += room.size;
      waiting += room.get(door).door.waiting;
      whepViewers += room.get(broadcast).onAir.audience.size;
    }
    return { rooms: this.#rooms.size, peers, waiting, whepViewers };
  }

  /** How many players watch by WHEP, of the lessons that any watch. */
  watched(): Record<string, number> {
    const watched = [...this.#rooms].map(
      ([lesson, room]) => [lesson, room.get(broadcast).onAir.audience.size] as const,
    );
    return Object.fromEntries(watched.filter(([, viewers]) => viewers > 0));
  }

  /** Lets go of all rooms; their events stay. */
  free(): void {
    this.#open = false;
    for (const room of this.#rooms.values()) room.free();
    this.#rooms.clear();
  }

  #find(id: string): Room | null {
    if (!this.#open) throw new LecternError('service-unavailable');
    const known = this.#rooms.get(id);
    if (known !== undefined) return known;
    const record = this.#deps.events.load(id);
    if (record.state === 'closed') return null;
    const room = new Room(id, record, this.#deps, (empty) => {
      this.#rooms.delete(id);
      empty.free();
    });
    this.#rooms.set(id, room);
    return room;
  }
}
