import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';
import './svelte-modules.ts';
import { ERRORS, type ErrorCode } from '#shared/contract/errors.ts';

const i18n = await import('../../../web/state/i18n.svelte.ts');
const folder = new URL('../../../web/', import.meta.url);

type Text = string | { one: string; other: string };
const forms = (text: Text) => (typeof text === 'string' ? [text] : [text.one, text.other]);
const placeholders = (text: Text) =>
  [...new Set(forms(text).flatMap((form) => form.match(/\{\w+\}/g) ?? []))].sort();

for (const file of globSync('{i18n/*,features/*/texts}.ts', { cwd: folder })) {
  const module = (await import(new URL(file, folder).href)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== 'function' || !('messages' in value)) continue;
    const { en, zh } = value.messages as { en: Record<string, Text>; zh: Record<string, Text> };

    test(`${file} ${name}: Chinese says all that English says`, () => {
      assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
      for (const key of Object.keys(en)) {
        assert.deepEqual(placeholders(zh[key]!), placeholders(en[key]!), key);
        for (const form of [...forms(en[key]!), ...forms(zh[key]!)]) assert.notEqual(form.trim(), '', key);
      }
    });
  }
}

test('a text follows the language and fills in what it is given', () => {
  const t = i18n.defineMessages({
    en: { hello: 'Hello {name}', watching: { one: '{count} viewer', other: '{count} viewers' } },
    zh: { hello: '你好，{name}', watching: { one: '{count} 人观看', other: '{count} 人观看' } },
  });
  i18n.initLocale('en', [], () => undefined);
  assert.equal(t('hello', { name: 'Lin' }), 'Hello Lin');
  assert.equal(t('watching', { count: 1 }), '1 viewer');
  assert.equal(t('watching', { count: 12_345 }), '12,345 viewers');
  i18n.setLocale('zh');
  assert.equal(t('hello', { name: '林' }), '你好，林');
  assert.equal(t('watching', { count: 1 }), '1 人观看');
});

test('what a person writes is not taken for a placeholder', () => {
  const t = i18n.defineMessages({ en: { quote: '“{title}”' }, zh: { quote: '“{title}”' } });
  assert.equal(t('quote', { title: '{title} $& {x}' }), '“{title} $& {x}”');
});

test('the first language is the remembered one, else the first of the browser that we speak', () => {
  assert.equal(i18n.pickLocale('zh', ['en-US']), 'zh');
  assert.equal(i18n.pickLocale(null, ['fr-FR', 'zh-TW', 'en-GB']), 'zh');
  assert.equal(i18n.pickLocale('klingon', ['de']), 'en');
});

test('a change of language is remembered', () => {
  const saved: string[] = [];
  i18n.initLocale('en', [], (locale) => saved.push(locale));
  i18n.setLocale('zh');
  assert.deepEqual(saved, ['zh']);
  assert.equal(i18n.locale(), 'zh');
});

test('lengths and sizes are written for people', () => {
  i18n.initLocale('en', [], () => undefined);
  assert.equal(i18n.formatDuration(5_999), '0:05');
  assert.equal(i18n.formatDuration(3_723_000), '1:02:03');
  assert.equal(i18n.formatDuration(-5), '0:00');
  assert.equal(i18n.formatBytes(0), '0 B');
  assert.equal(i18n.formatBytes(850_000), '850 kB');
  assert.equal(i18n.formatBytes(12_400_000), '12.4 MB');
});

test('a moment is told from where one stands', () => {
  i18n.initLocale('en', [], () => undefined);
  const noon = new Date(2026, 10, 21, 12).getTime();
  assert.match(i18n.formatWhen(noon - 3_600_000, noon), /^today 11:00/);
  assert.match(i18n.formatWhen(noon - 13 * 3_600_000, noon), /^yesterday 11:00/);
  assert.match(i18n.formatWhen(noon - 400 * 86_400_000, noon), /2025/);
});

test('times follow the region that the browser names for the language', async () => {
  const { formatTime } = await import('../../../web/view/classroom/time.ts');
  const noon = new Date(2026, 10, 21, 12).getTime();
  const written = (languages: string[], locale: 'en' | 'zh') => {
    i18n.initLocale(locale, languages, () => undefined);
    return [i18n.formatWhen(noon - 41 * 60_000, noon), formatTime(noon + 6_480_000)].join(', ');
  };
  // ICU sets a narrow space before AM.
  const spaces = (text: string) => text.replaceAll(/\s/g, ' ');
  assert.equal(written(['en-GB'], 'en'), 'today 11:19, 13:48');
  assert.equal(written(['de-DE', 'en-GB', 'en-US'], 'en'), 'today 11:19, 13:48');
  assert.equal(spaces(written(['en-US', 'en'], 'en')), 'today 11:19 AM, 01:48 PM');
  assert.equal(spaces(written(['zh-CN', 'de'], 'en')), 'today 11:19 AM, 01:48 PM');
  assert.equal(written(['en-US', 'zh-CN'], 'zh'), '今天 11:19, 13:48');
  assert.equal(written(['zh-TW', 'en-US@posix'], 'zh'), '今天 11:19, 13:48');
});

test('every refusal has its words in both languages', async () => {
  const { explain } = await import('../../../web/i18n/errors.ts');
  for (const locale of i18n.LOCALES) {
    i18n.setLocale(locale);
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const { title, text } = explain(code);
      assert.ok(title.length > 3 && text.length > 5, `${locale} ${code}`);
    }
  }
});
