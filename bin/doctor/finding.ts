// What the doctor finds.

/** `wrong`: start will not work, or people cannot come. `lacking`: it will, but something is missing. */
type Verdict = 'good' | 'lacking' | 'wrong';

export interface Finding {
  readonly verdict: Verdict;
  readonly text: string;
}

export const good = (text: string): Finding => ({ verdict: 'good', text });
export const lacking = (text: string): Finding => ({ verdict: 'lacking', text });
export const wrong = (text: string): Finding => ({ verdict: 'wrong', text });

const MARKS: Readonly<Record<Verdict, string>> = { good: '✓', lacking: '!', wrong: '✗' };

/** One line for a person. */
export const lineOf = ({ verdict, text }: Finding): string => `${MARKS[verdict]} ${text}`;
