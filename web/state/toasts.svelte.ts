// Short notes that come and go by themselves.
import { untrack } from 'svelte';

export type ToastTone = 'info' | 'success' | 'danger';

export interface Toast {
  readonly id: number;
  readonly tone: ToastTone;
  readonly text: string;
}

/** How long a note stays, in ms; bad news stays longer. */
const STAY_MS: Readonly<Record<ToastTone, number>> = { info: 4_000, success: 3_000, danger: 8_000 };

export class Toasts {
  #list = $state.raw<readonly Toast[]>([]);
  #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #lastId = 0;

  get list(): readonly Toast[] {
    return this.#list;
  }

  show(text: string, tone: ToastTone = 'info'): void {
    const id = ++this.#lastId;
    // Effects show notes too: one that depended on the list would be run again by what it shows, without end.
    untrack(() => {
      const same = this.#list.find((toast) => toast.text === text);
      if (same !== undefined) this.dismiss(same.id);
      this.#list = [...this.#list, { id, tone, text }];
    });
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), STAY_MS[tone]),
    );
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#list = this.#list.filter((toast) => toast.id !== id);
  }
}
