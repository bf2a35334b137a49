// What was cut off and refused, counted for the metrics.
import type { ErrorCode } from '#shared/contract/errors.ts';
import { Tally } from '../tally.ts';
import type { CutReason } from './connection.ts';

/** Refusals that a limit makes; all others count as `other`. */
const LIMITS = ['rate-limited', 'room-full', 'chat-full', 'other'] as const;
type Limit = (typeof LIMITS)[number];
export type SocketEnd = CutReason | 'unread' | 'too-many' | 'crowd';

export class Refusals {
  readonly cuts = new Tally<SocketEnd>(['unsent', 'stalled', 'flood', 'unread', 'too-many', 'crowd']);
  readonly handshakes = new Tally<Limit>(LIMITS);
  readonly joins = new Tally<Limit>(LIMITS);
  readonly chat = new Tally<Limit>(LIMITS);
  readonly others = new Tally<Limit>(LIMITS);

  /** A request of this name, or the `handshake`, was refused. */
  count(name: string, code: ErrorCode): void {
    const limit = LIMITS.find((one) => one === code) ?? 'other';
    if (name === 'handshake') this.handshakes.add(limit);
    else if (name === 'room:join') this.joins.add(limit);
    else if (name === 'chat:send') this.chat.add(limit);
    else this.others.add(limit);
  }
}
