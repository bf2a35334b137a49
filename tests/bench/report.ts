// What a benchmark tells: one row of the table each.

export interface Figure {
  name: string;
  aim: string;
  measured: string;
  note?: string;
}

export type Report = (figure: Figure) => void;
