// The browser's clock for the engine.
import type { PlayerClock } from '../../engine/player/ports.ts';

export const browserClock: PlayerClock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
