// Typed events for the engine: an event map of tuples, after mediasoup's manner.

type EventMap<Events> = { [Name in keyof Events]: readonly unknown[] };

/**
 * An object that others listen to. Listeners run in the order in which they came; one that throws keeps no other from
 * hearing, and its error is reported as one that nobody caught.
 */
export class Emitter<Events extends EventMap<Events>> {
  // Unknown here, because a map cannot say that the type of its values depends on the key.
  readonly #listeners = new Map<keyof Events, Set<unknown>>();

  /** Calls `listener` on every `event` until the function it returns is called. */
  on<Name extends keyof Events>(event: Name, listener: (...args: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  protected emit<Name extends keyof Events>(event: Name, ...args: Events[Name]): void {
    const listeners = this.#listeners.get(event) as Set<(...args: Events[Name]) => void> | undefined;
    // A copy: a listener may take itself off while it runs.
    for (const listener of [...(listeners ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Makes a function that does `act` once for all calls of one turn. */
export function together(act: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      act();
    });
  };
}
