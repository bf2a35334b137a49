// Counts by reason for the metrics: every reason is there from the start, at 0.
export class Tally<Reason extends string> {
  readonly #counts: Map<Reason, number>;

  constructor(reasons: readonly Reason[]) {
    this.#counts = new Map(reasons.map((reason) => [reason, 0]));
  }

  add(reason: Reason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  entries(): Iterable<[Reason, number]> {
    return this.#counts;
  }
}
