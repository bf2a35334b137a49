// The choice of a quality, as lines of a menu.
import { t } from '../../i18n/watch.ts';
import { formatBitrate } from '../../state/i18n.svelte.ts';
import type { LevelChoice } from '../../state/watch.svelte.ts';

type Level = LevelChoice['levels'][number];

type Line =
  | { readonly heading: string }
  | { readonly id: string; readonly label: string; readonly checked: boolean; readonly onselect: () => void };

/** None where there is nothing to choose. `choose` is given the level's index, null for automatic. */
export function qualityItems(
  { levels, current, chosen }: LevelChoice,
  choose: (index: number | null) => void,
): Line[] {
  if (levels.length < 2) return [];
  /** Of those that are equally high, the rate tells which is which. */
  const named = ({ height, bitrate }: Level): string => {
    const lines = t('lines', { height: String(height) });
    const alike = levels.filter((level) => level.height === height).length;
    return alike > 1 ? t('linesAt', { lines, rate: formatBitrate(bitrate) }) : lines;
  };
  const now = levels.find(({ index }) => index === current);
  return [
    { heading: t('quality') },
    {
      id: 'quality-auto',
      label:
        now !== undefined && now.height > 0 ? t('qualityAutoNow', { quality: named(now) }) : t('qualityAuto'),
      checked: chosen === null,
      onselect: () => choose(null),
    },
    ...levels
      .toSorted((a, b) => b.height - a.height || b.bitrate - a.bitrate)
      .map((level) => ({
        id: `quality-${level.index}`,
        label: named(level),
        checked: chosen === level.index,
        onselect: () => choose(level.index),
      })),
  ];
}
