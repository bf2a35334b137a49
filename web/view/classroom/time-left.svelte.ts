// How long it still is until a moment, counted down on the page.
import { formatDuration } from '../../state/i18n.svelte.ts';

const TICK_MS = 500;

/** Counts down to `endsAtMs`, null while there is nothing to wait for. Call it while a component is made. */
export function timeLeft(endsAtMs: () => number | null): { readonly text: string; readonly ms: number } {
  let nowMs = $state(Date.now());
  $effect(() => {
    if (endsAtMs() === null) return undefined;
    nowMs = Date.now();
    const timer = setInterval(() => (nowMs = Date.now()), TICK_MS);
    return () => clearInterval(timer);
  });
  return {
    /** `4:59`; `0:00` from then on. */
    get text() {
      return formatDuration(Math.max(0, this.ms));
    },
    /** Less than none once the moment has passed. */
    get ms() {
      return (endsAtMs() ?? 0) - nowMs;
    },
  };
}
