// Does one thing after the other.
import { expected } from './expected.ts';

/** Runs work in the order in which it was given, each when the one before has ended, well or not. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves, or rejects, as `work` does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(expected('told to those who gave the work'));
    // A promise of its own: a failure that no one waits for stays an unhandled rejection.
    return done.then((value) => value);
  }

  /** Resolves when all that was given so far has ended. Never rejects. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
