// Turns a real capture into something that nobody should send. The same seed makes the same inputs.

/** Mulberry32: small, fast, and good enough to spoil bytes with. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to, not including, `below`. */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.roll(from.length)] as T;
  }
}

/** Bytes that lengths, counts and markers are made of at their edges. */
const EDGES = [0x00, 0x01, 0x02, 0x03, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff];
const MAX_CHANGES = 6;

/** A copy of `seed` with one to a few changes; `others` lends pieces. */
export function mutate(dice: Dice, seed: Uint8Array, others: readonly Uint8Array[]): Buffer {
  let bytes = Buffer.from(seed);
  const changes = 1 + dice.roll(MAX_CHANGES);
  for (let change = 0; change < changes; change += 1) {
    const at = dice.roll(bytes.length + 1);
    const few = 1 + dice.roll(16);
    switch (dice.roll(9)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.roll(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = dice.roll(256);
        break;
      case 2:
        if (at < bytes.length) bytes[at] = dice.pick(EDGES);
        break;
      case 3:
        // A length or a count of two or four bytes, at its edge.
        bytes.fill(dice.pick(EDGES), at, Math.min(at + dice.pick([2, 3, 4]), bytes.length));
        break;
      case 4:
        bytes = bytes.subarray(0, at);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + few)]);
        break;
      case 6:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + few), bytes.subarray(at)]);
        break;
      case 7:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(Array.from({ length: few }, () => dice.roll(256))),
          bytes.subarray(at),
        ]);
        break;
      default: {
        const other = dice.pick(others);
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(dice.roll(other.length + 1))]);
      }
    }
    // Captures are short; what grows beyond this says nothing new.
    if (bytes.length > 64 * 1024) bytes = bytes.subarray(0, 64 * 1024);
  }
  return bytes;
}
