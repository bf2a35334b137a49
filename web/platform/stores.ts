// Small texts that the browser keeps, for this browser or for this tab.
import type { StorePort } from '../engine/ports.ts';

/** Remembered for good: names, chosen devices. */
export const rememberedStore: StorePort = store(() => window.localStorage);
/** Remembered for this tab, over reloads. */
export const tabStore: StorePort = store(() => window.sessionStorage);

/** Makes this tab forget all of that. */
export function forgetTab(): void {
  try {
    window.sessionStorage.clear();
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
}

function store(open: () => Storage): StorePort {
  return {
    get(key) {
      try {
        return open().getItem(key);
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        if (value === null) open().removeItem(key);
        else open().setItem(key, value);
      } catch {
        // Private windows and full disks: it is only not remembered.
      }
    },
  };
}
