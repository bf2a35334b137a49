// What a page can ask for to have lines drawn; web/platform/chart.ts draws them.

/** One line: a value for each time, null where nobody knows it. */
export interface ChartLine {
  /** A CSS colour, as it is computed now. */
  readonly color: string;
  readonly dash: readonly number[];
  readonly values: readonly (number | null)[];
}

export interface ChartData {
  /** In s since 1970, ascending. */
  readonly timesS: readonly number[];
  readonly lines: readonly ChartLine[];
}

export interface ChartLook {
  /** CSS colours, as they are computed now. */
  readonly text: string;
  readonly grid: string;
  readonly font: string;
  /** In CSS pixels. */
  readonly height: number;
  /** The end of the time that is shown, which begins `spanS` before it. */
  readonly spanS: number;
  /** The least that the highest value of the scale is, so that noise about zero looks like none. */
  readonly leastTop: number;
  readonly formatValue: (value: number) => string;
  readonly formatTime: (atS: number) => string;
  /** The pointer is over the sample of this index; null once it is gone. */
  readonly onPoint: (index: number | null) => void;
}

/** A drawing in the page; `close` takes it away. */
export interface Chart {
  update(data: ChartData): void;
  close(): void;
}

/** Draws into `into`, as wide as that is. Loads the code that draws when it is first needed. */
export type DrawChart = (into: HTMLElement, look: ChartLook, data: ChartData) => Promise<Chart>;
