// Connections that showed no ticket yet: anyone can open them, so they are few. A ticket is shown within a round
// trip, so one that waits longer gives its place to the next: who opens many puts out its own, and nobody is kept
// out by those who wait for nothing.
import { networkOf } from '#server/forwarded.ts';
import { terminate, type Connection } from './connection.ts';

const MAX_STRANGERS = 2_000;
/** A school is one address, and after a restart all of it comes again at once. */
const MAX_STRANGERS_PER_ADDRESS = 500;

export class Strangers {
  readonly #networks = new Map<Connection, string>();
  /** Those of each network, in the order of coming. */
  readonly #waiting = new Map<string, Set<Connection>>();
  readonly #shown = new WeakSet<Connection>();

  /** One more waits. Where too many do the one that waited longest is ended, of those with the most: true then. */
  enter(conn: Connection, address: string): boolean {
    const network = networkOf(address);
    const waiting = this.#waiting.get(network) ?? new Set();
    this.#waiting.set(network, waiting.add(conn));
    this.#networks.set(conn, network);
    const isCrowd = waiting.size > MAX_STRANGERS_PER_ADDRESS;
    if (!isCrowd && this.#networks.size <= MAX_STRANGERS) return false;
    const [longest] = isCrowd ? waiting : this.#largest();
    if (longest === undefined) return false;
    this.leave(longest);
    terminate(longest);
    return true;
  }

  /** True for the first ticket that this connection shows. */
  shows(conn: Connection): boolean {
    if (this.#shown.has(conn)) return false;
    this.#shown.add(conn);
    return true;
  }

  /** It has a good ticket, or is gone. */
  leave(conn: Connection): void {
    const network = this.#networks.get(conn);
    if (network === undefined) return;
    this.#networks.delete(conn);
    const waiting = this.#waiting.get(network);
    waiting?.delete(conn);
    if (waiting?.size === 0) this.#waiting.delete(network);
  }

  #largest(): Set<Connection> {
    let largest = new Set<Connection>();
    for (const waiting of this.#waiting.values()) if (waiting.size > largest.size) largest = waiting;
    return largest;
  }
}
