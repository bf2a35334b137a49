import { formatTag } from '../../state/i18n.svelte.ts';

/** The time of day as the language writes it: `14:05`. Reactive to the language. */
export function formatTime(atMs: number): string {
  return new Intl.DateTimeFormat(formatTag(), { hour: '2-digit', minute: '2-digit' }).format(atMs);
}
