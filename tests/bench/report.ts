// What a benchmark reports: one row of the table each. Texts keep their numbers apart, so that those of
// several runs can be put together.

/** A text with numbers in it: `parts` has one more entry than `values`. */
export interface Measured {
  readonly parts: readonly string[];
  readonly values: readonly number[];
}

export interface Figure {
  readonly name: string;
  readonly aim: string;
  readonly measured: Measured;
  readonly note?: Measured | string;
}

export type Report = (figure: Figure) => void;

/** The text of a figure: `` measured`p50 ${p50Ms} ms` ``. Numbers go in as they are, unrounded. */
export function measured(
  texts: TemplateStringsArray,
  ...given: readonly (number | string | Measured)[]
): Measured {
  const parts = [''];
  const values: number[] = [];
  const write = (text: string) => parts.push((parts.pop() ?? '') + text);
  texts.forEach((text, index) => {
    write(text);
    const value = given[index];
    if (typeof value === 'string') write(value);
    else if (typeof value === 'number') {
      values.push(value);
      parts.push('');
    } else if (value !== undefined) {
      const [first = '', ...more] = value.parts;
      write(first);
      parts.push(...more);
      values.push(...value.values);
    }
  });
  return { parts, values };
}

/** A span of time, in ms. */
export const ms = (value: number): Measured => measured`${value} ms`;

/**
 * The figures of several runs as one text: the median of each number, and after it the least and the greatest
 * where they differ. A run whose words differ from those of the last is left out.
 */
export function summarize(runs: readonly Measured[]): string {
  const last = runs.at(-1);
  if (last === undefined) return '';
  const alike = runs.filter(({ parts }) => parts.join('\0') === last.parts.join('\0'));
  return last.parts
    .map((part, index) => (index < last.values.length ? part + spread(alike, index) : part))
    .join('');
}

function spread(runs: readonly Measured[], index: number): string {
  const sorted = runs.map(({ values }) => values[index] ?? Number.NaN).sort((a, b) => a - b);
  const middle =
    ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
  const [least, greatest] = [round(sorted[0] ?? Number.NaN), round(sorted.at(-1) ?? Number.NaN)];
  return least === greatest ? round(middle) : `${round(middle)} (${least}–${greatest})`;
}

/** Three digits, which is more than these measurements are good for. */
function round(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : 2);
}
