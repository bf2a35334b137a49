// The page's language: which one, and the texts in it. A page has one language, so this is the one
// piece of state that lives in a module; `initLocale` gives it its start and its memory.

export type Locale = 'en' | 'zh';
export const LOCALES: readonly Locale[] = ['en', 'zh'];

/** How each language calls itself. */
export const LOCALE_NAMES: Readonly<Record<Locale, string>> = { en: 'English', zh: '中文' };

/** What the document's `lang` says. */
export const LANGUAGE_TAGS: Readonly<Record<Locale, string>> = { en: 'en', zh: 'zh-CN' };

let current = $state<Locale>('en');
/** The browser's languages, the most wanted first. */
let wanted: readonly string[] = [];
let remember: (locale: Locale) => void = () => undefined;

/** The language in use. Reactive. */
export function locale(): Locale {
  return current;
}

/** Changes the language and remembers it. */
export function setLocale(next: Locale): void {
  current = next;
  remember(next);
}

/**
 * Chooses the first language: the remembered one, else the first of the browser's that we speak.
 * `save` is called with every later choice.
 */
export function initLocale(
  stored: string | null,
  languages: readonly string[],
  save: (locale: Locale) => void,
): void {
  remember = save;
  wanted = languages;
  current = pickLocale(stored, languages);
}

/** The remembered language if it is one of ours, else the first of `languages` that is; else English. */
export function pickLocale(stored: string | null, languages: readonly string[]): Locale {
  const wanted = [stored ?? '', ...languages].map((tag) => tag.toLowerCase().split('-')[0]);
  return (
    LOCALES.find((candidate) => candidate === wanted.find((tag) => LOCALES.some((l) => l === tag))) ?? 'en'
  );
}

/**
 * The tag (BCP 47) by which the language in use writes numbers and times: the browser's own entry for that
 * language, since that one knows the region (`en-GB` has a clock of 24 hours, `en-US` one of 12).
 */
export function formatTag(): string {
  const ours = LANGUAGE_TAGS[current];
  return wanted.find((tag) => writesLike(tag, ours)) ?? ours;
}

/** True if both are the same language in the same script: our Chinese is simplified, that of `zh-TW` is not. */
function writesLike(tag: string, ours: string): boolean {
  try {
    const [a, b] = [new Intl.Locale(tag).maximize(), new Intl.Locale(ours).maximize()];
    return a.language === b.language && a.script === b.script;
  } catch {
    // Not a tag: some systems let their own names through, such as `en-US@posix`.
    return false;
  }
}

/** Forms of a text that depend on `{count}`; Chinese needs `other` alone. */
export interface Plural {
  readonly one: string;
  readonly other: string;
}
type Text = string | Plural;

type Named<S> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Named<Rest> : never;
/** The placeholders of a text. */
type Placeholders<T> = T extends Plural ? Named<T['one']> | Named<T['other']> | 'count' : Named<T>;
type Vars<T> = [Placeholders<T>] extends [never] ? [] : [Readonly<Record<Placeholders<T>, string | number>>];

/** Looks a text up in the language in use and fills in its placeholders. */
export type Translate<E extends Readonly<Record<string, Text>>> = {
  <K extends keyof E & string>(key: K, ...vars: Vars<E[K]>): string;
  /** The texts themselves, for tests. */
  readonly messages: { readonly en: E; readonly zh: Readonly<Record<keyof E, Text>> };
};

/**
 * Defines the texts of one part of the page in every language. `zh` has exactly the keys of `en`.
 * The function that it returns is reactive to the language; numbers in `{placeholders}` are written
 * as the language writes them.
 */
export function defineMessages<const E extends Readonly<Record<string, Text>>>(messages: {
  en: E;
  zh: { readonly [K in keyof E]: Text };
}): Translate<E> {
  const translate = (key: keyof E & string, vars: Readonly<Record<string, string | number>> = {}): string => {
    const text: Text = messages[current][key];
    const form = typeof text === 'string' ? text : pluralForm(text, vars['count']);
    return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = vars[name];
      return value === undefined ? whole : typeof value === 'number' ? formatNumber(value) : value;
    });
  };
  return Object.assign(translate, { messages });
}

function pluralForm(text: Plural, count: string | number | undefined): string {
  const rule = new Intl.PluralRules(LANGUAGE_TAGS[current]).select(Number(count));
  return rule === 'one' ? text.one : text.other;
}

export function formatNumber(value: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(formatTag(), options).format(value);
}

/** `Ada, Grace and Linus`. */
export function formatList(names: readonly string[]): string {
  return new Intl.ListFormat(formatTag()).format(names);
}

/** A date and time as a person would say it: `today 14:05`, `yesterday 09:30`, `12 Nov 2026, 08:00`. */
export function formatWhen(atMs: number, nowMs: number): string {
  const tag = formatTag();
  const at = new Date(atMs);
  const now = new Date(nowMs);
  const dayStart = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((dayStart(at) - dayStart(now)) / 86_400_000);
  const time = new Intl.DateTimeFormat(tag, { hour: '2-digit', minute: '2-digit' }).format(at);
  if (days === 0 || days === -1) {
    return `${new Intl.RelativeTimeFormat(tag, { numeric: 'auto' }).format(days, 'day')} ${time}`;
  }
  const sameYear = at.getFullYear() === now.getFullYear();
  return new Intl.DateTimeFormat(tag, {
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(at);
}

/** `4:05` or `1:02:33`. */
export function formatDuration(durationMs: number): string {
  const total = Math.max(0, Math.floor(durationMs / 1_000));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(total / 3_600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** A length of time in words: `43 minutes`, `8 seconds`. */
export function formatSpan(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  const [value, unit] = seconds < 60 ? [seconds, 'second'] : [Math.round(seconds / 60), 'minute'];
  return formatNumber(value, { style: 'unit', unit, unitDisplay: 'long' });
}

/** `850 kb/s`, `2.1 Mb/s`. */
export function formatBitrate(bps: number): string {
  const [value, unit] = bps < 1e6 ? [bps / 1e3, 'kb/s'] : [bps / 1e6, 'Mb/s'];
  return `${formatNumber(value, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
}

/** `0 B`, `850 kB`, `12.4 MB`, `1.3 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  const power = Math.min(units.length, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const unit = units[power - 1];
  // Intl would write "0 byte" and "2 byte".
  if (unit === undefined) return `${formatNumber(bytes, { maximumFractionDigits: 0 })} B`;
  const value = bytes / 1_000 ** power;
  return formatNumber(value, {
    style: 'unit',
    unit,
    maximumFractionDigits: value < 100 && power > 1 ? 1 : 0,
  });
}
