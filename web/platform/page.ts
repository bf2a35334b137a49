// The document's own services behind the ports of `state/`: its address, its memory, its colours.
import type { HistoryPort } from '../state/router.svelte.ts';
import type { ThemePort } from '../state/theme.svelte.ts';

/** Remembers small choices. A browser that forbids storage forgets them, and nothing breaks. */
export const storage = {
  read(key: string): string | null {
    try {
      return localStorage.getItem(`lectern:${key}`);
    } catch {
      return null;
    }
  },
  write(key: string, value: string): void {
    try {
      localStorage.setItem(`lectern:${key}`, value);
    } catch {
      // Private windows and full disks: the choice holds until the page is left.
    }
  },
};

export const browserHistory: HistoryPort = {
  current: () => new URL(location.href),
  push: (path) => history.pushState(null, '', path),
  replace: (path) => history.replaceState(null, '', path),
  onChange(listener) {
    // Not every browser tells of a new `#` by both.
    addEventListener('popstate', listener);
    addEventListener('hashchange', listener);
    return () => {
      removeEventListener('popstate', listener);
      removeEventListener('hashchange', listener);
    };
  },
};

export const documentTheme: ThemePort = {
  stored: () => storage.read('theme'),
  apply(choice) {
    if (choice === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = choice;
    storage.write('theme', choice);
  },
  systemIsDark: () => matchMedia('(prefers-color-scheme: dark)').matches,
};
