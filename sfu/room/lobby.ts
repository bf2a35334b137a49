// Everyone who was welcomed and is connected, joined or not. Those who are still in the green room are kept
// up to date on how many are in the room, and on the broadcast.
import type { FactData, FactName } from '#shared/contract/signalling.ts';
import type { Link } from './ports.ts';

/** Changes within this time are told as one: a class that begins, or ends. */
const GATHER_MS = 500;

interface Guest {
  readonly peerId: string;
  /** What it was told last. */
  told: number;
}

export interface LobbyOptions {
  /** How many are in the room but for this person. */
  readonly present: (butPeerId: string) => number;
  /** True if the person came in by this link. */
  readonly isIn: (peerId: string, link: Link) => boolean;
}

export class Lobby {
  readonly #options: LobbyOptions;
  readonly #guests = new Map<Link, Guest>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LobbyOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#guests.size;
  }

  /** Somebody is connected. Returns how many others are in the room. */
  enter(link: Link, peerId: string): number {
    const told = this.#options.present(peerId);
    this.#guests.set(link, { peerId, told });
    return told;
  }

  leave(link: Link): void {
    this.#guests.delete(link);
  }

  /** Somebody came into the room, or left it. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const [link, guest] of this.#guests) {
        const present = this.#options.present(guest.peerId);
        if (present === guest.told || !link.open || this.#options.isIn(guest.peerId, link)) continue;
        guest.told = present;
        link.send('room:presence', { present });
      }
    }, GATHER_MS);
  }

  /** Tells those who have not come in. */
  notify<N extends FactName>(name: N, data: FactData<N>): void {
    for (const [link, { peerId }] of this.#guests) {
      if (link.open && !this.#options.isIn(peerId, link)) link.send(name, data);
    }
  }

  /** The class is over for those who did not come in either. */
  end(): void {
    this.free();
    for (const link of this.#guests.keys()) {
      if (!link.open) continue;
      link.send('room:closed', { reason: 'ended' });
      link.close();
    }
    this.#guests.clear();
  }

  /** Lets go of its timer. */
  free(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
