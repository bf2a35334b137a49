// The choice of a quality, as lines of a menu.
import { t } from '../../i18n/watch.ts';
import type { LevelChoice } from '../../state/watch.svelte.ts';

type Line =
  | { readonly heading: string }
  | { readonly id: string; readonly label: string; readonly checked: boolean; readonly onselect: () => void };

/** None where there is nothing to choose. `choose` is given the level's index, null for automatic. */
export function qualityItems(
  { levels, current, chosen }: LevelChoice,
  choose: (index: number | null) => void,
): Line[] {
  if (levels.length < 2) return [];
  const now = levels.find(({ index }) => index === current)?.height ?? 0;
  return [
    { heading: t('quality') },
    {
      id: 'quality-auto',
      label: now > 0 ? t('qualityAutoNow', { height: String(now) }) : t('qualityAuto'),
      checked: chosen === null,
      onselect: () => choose(null),
    },
    ...levels
      .toSorted((a, b) => b.height - a.height)
      .map(({ index, height }) => ({
        id: `quality-${index}`,
        label: t('lines', { height: String(height) }),
        checked: chosen === index,
        onselect: () => choose(index),
      })),
  ];
}
