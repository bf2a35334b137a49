// The features of one open room: found by what defines them, asked all alike.
import type { RoomContext } from './context.ts';
import type { AnyFeature, AnyOpenFeature, Call } from './features/feature.ts';
import type { Peer, Session } from './peer.ts';
import type { RoomRecord } from './record.ts';

type Answer = (call: Call, data: never) => unknown;

export class OpenFeatures {
  /** In the order of opening. */
  readonly #open = new Map<object, AnyOpenFeature>();
  readonly #answers = new Map<string, Answer>();

  /** Opens every feature that `record` has a memory for, each with that memory. */
  open(record: RoomRecord, room: RoomContext): void {
    for (const [feature, memory] of record.memories) {
      const open = feature.open(room, memory as never);
      this.#open.set(feature, open);
      this.answer(open.requests);
    }
  }

  /** Lets these requests be asked, too. */
  answer(requests: Readonly<Record<string, Answer>>): void {
    for (const [name, answer] of Object.entries(requests)) this.#answers.set(name, answer);
  }

  get<F>(feature: Pick<AnyFeature, 'spec'> & { open(room: RoomContext, memory: never): F }): F {
    const open = this.#open.get(feature);
    if (open === undefined) throw new Error(`${feature.spec.name} is not open yet: see features/index.ts.`);
    return open as F;
  }

  /** What answers this request; undefined if nothing does. */
  handler(name: string): Answer | undefined {
    return this.#answers.get(name);
  }

  /** The part of each in the answer to a join. */
  snapshot(peer: Peer, session: Session): object {
    return Object.assign({}, ...this.all().map((feature) => feature.snapshot(peer, session))) as object;
  }

  /** In the order of opening. */
  all(): AnyOpenFeature[] {
    return [...this.#open.values()];
  }

  /** In the order of closing: the last opened first. */
  fromLast(): AnyOpenFeature[] {
    return this.all().reverse();
  }
}
