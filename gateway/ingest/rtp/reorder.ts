// Puts packets back in order: waits a moment for what is missing, then goes on without it.
import { sequenceDistance } from '#shared/media/rtp.ts';

/** Beyond this distance a packet belongs to another numbering, not to this one late or early. */
const MAX_JUMP = 3_000;
/** Packets kept while one is missing; at 10 Mbps this is over half a second. */
const MAX_HELD = 1_024;

export interface Sequenced {
  readonly sequence: number;
}

export interface ReorderOptions<P> {
  /** How long a gap is waited for. */
  readonly waitMs: number;
  /** Takes packets in order; `lost` is how many before this one never came. */
  readonly deliver: (packet: P, lost: number) => void;
}

export class ReorderBuffer<P extends Sequenced> {
  readonly #options: ReorderOptions<P>;
  /** By extended sequence number (RFC 3550 §A.1). */
  readonly #held = new Map<number, { packet: P; atMs: number }>();
  /** The extended number that is due next. */
  #next: number | undefined;
  #highest = 0;
  #gapSinceMs: number | undefined;
  /** A first packet far outside of the numbering: two in a row are believed (RFC 3550 §A.1). */
  #stray: P | undefined;
  lost = 0;
  late = 0;
  duplicates = 0;

  constructor(options: ReorderOptions<P>) {
    this.#options = options;
  }

  /** The highest extended sequence number seen. */
  get highest(): number {
    return this.#highest;
  }

  addPacket(packet: P, nowMs: number): void {
    if (this.#next === undefined) {
      this.#next = packet.sequence;
      this.#highest = packet.sequence;
    }
    const extended = this.#highest + sequenceDistance(packet.sequence - this.#highest);
    if (Math.abs(extended - this.#highest) > MAX_JUMP) {
      this.#restart(packet);
      return;
    }
    this.#stray = undefined;
    if (extended < this.#next) {
      // It was given up, or it was there already: either way its place has passed.
      this.late += 1;
      return;
    }
    if (extended > this.#highest) this.#highest = extended;
    if (extended === this.#next && this.#held.size === 0) {
      this.#next += 1;
      this.#options.deliver(packet, 0);
      return;
    }
    if (this.#held.has(extended)) {
      this.duplicates += 1;
      return;
    }
    this.#held.set(extended, { packet, atMs: nowMs });
    this.#gapSinceMs ??= nowMs;
    if (extended === this.#next) this.#drain(0);
    if (this.#held.size > MAX_HELD) this.#giveUp();
  }

  /** Gives a gap up once it is older than `waitMs`. Call it a few times within that time. */
  tick(nowMs: number): void {
    while (this.#gapSinceMs !== undefined && nowMs - this.#gapSinceMs >= this.#options.waitMs) {
      this.#giveUp();
    }
  }

  /** Delivers what follows the gap. */
  #giveUp(): void {
    const next = Math.min(...this.#held.keys());
    if (this.#next === undefined || next === Infinity) return;
    const lost = next - this.#next;
    this.lost += lost;
    this.#next = next;
    this.#drain(lost);
  }

  #drain(lostBefore: number): void {
    let lost = lostBefore;
    for (;;) {
      const held = this.#next === undefined ? undefined : this.#held.get(this.#next);
      if (held === undefined || this.#next === undefined) break;
      this.#held.delete(this.#next);
      this.#next += 1;
      this.#options.deliver(held.packet, lost);
      lost = 0;
    }
    // Another gap may lie behind the one that is closed: it is as old as the first packet that showed it.
    const sincesMs = Array.from(this.#held.values(), ({ atMs }) => atMs);
    this.#gapSinceMs = sincesMs.length === 0 ? undefined : Math.min(...sincesMs);
  }

  #restart(packet: P): void {
    const before = this.#stray;
    this.#stray = packet;
    if (before === undefined || sequenceDistance(packet.sequence - before.sequence) !== 1) return;
    for (const extended of [...this.#held.keys()].sort((a, b) => a - b)) {
      const held = this.#held.get(extended);
      // A gap lies somewhere before each of them; one lost packet is enough to say so.
      if (held !== undefined) this.#options.deliver(held.packet, 1);
    }
    this.#held.clear();
    this.#gapSinceMs = undefined;
    this.#stray = undefined;
    this.#next = before.sequence + 2;
    this.#highest = before.sequence + 1;
    this.#options.deliver(before, 1);
    this.#options.deliver(packet, 0);
  }
}
