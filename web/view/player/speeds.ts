// The choice of a speed, by menu and by key.
import { t } from '../../i18n/watch.ts';
import { formatNumber } from '../../state/i18n.svelte.ts';

/** The speed in words. */
export const speedText = (speed: number): string => t('speedOf', { speed: formatNumber(speed) });

/** The speeds as lines of a menu. */
export const speedItems = (speeds: readonly number[], speed: number, choose: (speed: number) => void) =>
  speeds.map((value) => ({
    id: `speed-${value}`,
    label: speedText(value),
    checked: value === speed,
    onselect: () => choose(value),
  }));

/** The next of `speeds` in that direction; the same at its ends. */
export function nextSpeed(speeds: readonly number[], speed: number, by: 1 | -1): number {
  const at = speeds.indexOf(speed) + by;
  return speeds[Math.min(speeds.length - 1, Math.max(0, at))] ?? speed;
}
