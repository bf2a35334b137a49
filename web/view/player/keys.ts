// The keyboard of a player.
import type { Playback } from './playback.svelte.ts';

/** How far an arrow key turns the volume, as a share of its whole range. */
const VOLUME_STEP = 0.1;

export interface KeyActions {
  readonly playback: Playback;
  readonly fullscreen: () => void;
  readonly toggle: () => void;
  readonly unmute: () => void;
  /** What the keys do that only this player has; letters in lower case. */
  readonly own: Readonly<Record<string, () => void>>;
}

/** Does what the key says. Returns true if that was anything. */
export function pressKey(
  event: KeyboardEvent,
  { playback, fullscreen, toggle, unmute, own }: KeyActions,
): boolean {
  const actions: Readonly<Record<string, () => void>> = {
    ' ': toggle,
    k: toggle,
    m: () => (playback.muted ? unmute() : (playback.muted = true)),
    f: fullscreen,
    ArrowUp: () => playback.changeVolume(VOLUME_STEP),
    ArrowDown: () => playback.changeVolume(-VOLUME_STEP),
    ...own,
  };
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  action?.();
  return action !== undefined;
}
