// The browser's clock for the engine.
import type { Clock } from '../../engine/player/ports.ts';

export const browserClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
