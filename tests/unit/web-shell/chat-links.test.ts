import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textParts } from '../../../web/state/chat-links.ts';

/** The links of a message, as text → address. */
const links = (text: string) =>
  Object.fromEntries(
    textParts(text).flatMap(({ text: shown, href }) => (href === undefined ? [] : [[shown, href]])),
  );

test('an address in a message is a link, and the sentence around it is not', () => {
  for (const [text, shown, href] of [
    ['see https://example.org/a?b=c#d.', 'https://example.org/a?b=c#d'],
    ['(https://example.org/a_(b))', 'https://example.org/a_(b)'],
    ['<http://localhost:3000/x>', 'http://localhost:3000/x'],
    ['www.example.org!', 'www.example.org', 'https://www.example.org/'],
    [
      '看https://example.org/路径。谢谢',
      'https://example.org/路径',
      'https://example.org/%E8%B7%AF%E5%BE%84',
    ],
    ['https://example.org/a，请看', 'https://example.org/a'],
    ['“https://example.org/x”', 'https://example.org/x'],
    ['https://example.org点击', 'https://example.org', 'https://example.org/'],
  ] as const) {
    assert.deepEqual(links(text), { [shown]: href ?? shown });
    assert.equal(
      textParts(text)
        .map((part) => part.text)
        .join(''),
      text,
      'nothing is lost',
    );
  }
});

test('what is no address for people stays text', () => {
  for (const text of [
    'javascript:alert(1)',
    'JAVASCRIPT://example.org/%0aalert(1)',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'ftp://example.org/',
    'report.py and 3.am',
    'ann@example.org',
    '<img src=x onerror=alert(1)>',
  ])
    assert.deepEqual(textParts(text), [{ text }]);
});

test('a link leads where it says, or says where it leads', () => {
  // A name before the host, and characters that hide or turn what follows.
  for (const text of [
    'https://bank.example@evil.example/',
    'https://bank.example:443@evil.example/',
    'https://example.org/\u202egro.knab//:sptth',
    'https://exam\u200bple.org/',
  ])
    assert.deepEqual(links(text), {});
  const hosts = (text: string) => textParts(text).map(({ host }) => host);
  assert.deepEqual(hosts('http://аpple.com/'), ['xn--pple-43d.com'], 'a Cyrillic а');
  assert.deepEqual(hosts('https://例子.中国/'), ['xn--fsqu00a.xn--fiqs8s']);
  assert.deepEqual(hosts('HTTPS://Example.ORG/A'), [undefined]);
});

test('the longest message is read in no time', () => {
  for (const part of ['https://', 'http://a.', 'a@', '(', 'www.', '。', 'http://a.b/(']) {
    const startedMs = performance.now();
    textParts(part.repeat(2_000 / part.length));
    assert.ok(performance.now() - startedMs < 1_000, part);
  }
});
