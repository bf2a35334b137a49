// Light or dark: the system's choice unless the person made one.

export type ThemeChoice = 'system' | 'light' | 'dark';
const CHOICES: readonly ThemeChoice[] = ['system', 'light', 'dark'];

export interface ThemePort {
  /** The remembered choice, if there is one. */
  stored(): string | null;
  /** Shows it on the page and remembers it. */
  apply(choice: ThemeChoice): void;
  /** True if the system prefers dark now. */
  systemIsDark(): boolean;
}

export class Theme {
  #choice = $state<ThemeChoice>('system');
  #port: ThemePort;

  constructor(port: ThemePort) {
    this.#port = port;
    const stored = port.stored();
    this.choose(CHOICES.find((choice) => choice === stored) ?? 'system');
  }

  get choice(): ThemeChoice {
    return this.#choice;
  }

  /** What is shown now. */
  get shown(): 'light' | 'dark' {
    if (this.#choice !== 'system') return this.#choice;
    return this.#port.systemIsDark() ? 'dark' : 'light';
  }

  choose(choice: ThemeChoice): void {
    this.#choice = choice;
    this.#port.apply(choice);
  }
}
