// The places of a replay that have a name: where its chapters begin, and its second part and those after it.
import { chapterName, t } from '../../i18n/replay.ts';
import type { ReplayStore } from '../../state/replay.svelte.ts';

/** A tick of the bar, and an entry of the list. */
export interface Place {
  readonly id: string;
  /** In s. */
  readonly atS: number;
  readonly name: string;
  readonly isSeam: boolean;
}

/** In the order of time. */
export function placesOf(replay: ReplayStore): readonly Place[] {
  const seams = replay.seams.map(({ number, atS }): Place => {
    return { id: `part-${number}`, atS, name: t('part', { number }), isSeam: true };
  });
  const chapters = replay.chapters.map(({ id, atS, title }, index): Place => {
    return { id, atS, name: chapterName(title, index), isSeam: false };
  });
  // A chapter that was marked in a break begins where its part does.
  return [...seams, ...chapters].toSorted((a, b) => a.atS - b.atS);
}
