// Which shortcut a key is, whatever the keyboard's layout or an input method makes of it.

type Pressed = Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey'>;

/**
 * The key of a shortcut in lower case: what was typed where that is Latin, else what stands at its place on
 * a Latin keyboard (W3C UI Events KeyboardEvent code Values §3.1).
 */
export function shortcutKey({ key, code, shiftKey }: Pressed): string {
  if (/^[!-~]$/.test(key)) return key.toLowerCase();
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  if (letter !== undefined) return letter.toLowerCase();
  return code === 'Slash' && shiftKey ? '?' : key.toLowerCase();
}
