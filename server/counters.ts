// Counters that are there from the start. Prometheus sees no growth in a series that begins with its first
// event: `increase()` of it is 0, and an alarm on it stays silent.
import { Counter, type Registry } from 'prom-client';

interface LabelledCounter<Label extends string> {
  readonly name: string;
  readonly help: string;
  /** Each label with all the values that it can have. */
  readonly labels: Readonly<Record<Label, readonly string[]>>;
  readonly registry: Registry;
}

/** Makes a counter that shows every combination of its labels at 0. */
export function labelledCounter<Label extends string>(options: LabelledCounter<Label>): Counter<Label> {
  const { name, help, labels, registry } = options;
  const labelNames = Object.keys(labels) as Label[];
  const counter = new Counter({ name, help, labelNames, registers: [registry] });
  let combinations: Partial<Record<Label, string>>[] = [{}];
  for (const label of labelNames) {
    combinations = combinations.flatMap((one) => labels[label].map((value) => ({ ...one, [label]: value })));
  }
  for (const combination of combinations) counter.inc(combination, 0);
  return counter;
}
