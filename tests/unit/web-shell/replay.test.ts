import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplayChatPage } from '#shared/contract/rest.ts';
import { ChatPages } from '../../../web/engine/player/chat-pages.ts';
import { recallPlace, rememberPlace } from '../../../web/engine/player/left-off.ts';
import { expiresAtMs, withSignatureOf } from '../../../web/engine/player/signed-address.ts';
import { marksOfPlaylist, PlaybackTimeline } from '../../../web/engine/player/playback-timeline.ts';

const AT = Date.parse('2026-11-21T10:00:00.000Z');

/** Ten seconds of class, then the teacher's network was away for a minute, then ten more. */
const interrupted = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:5
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:00:00.000Z
#EXTINF:5.000,
1.m4s
#EXTINF:5.000,
2.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-2.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:01:10.000Z
#EXTINF:5.000,
3.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:01:15.000Z
#EXTINF:5.000,
4.m4s
#EXT-X-ENDLIST
`;

test('a message is shown where it was written, although the gap is not in the recording', () => {
  const timeline = new PlaybackTimeline(marksOfPlaylist(interrupted));
  assert.equal(timeline.positionOf(AT + 3_000), 3);
  assert.equal(timeline.positionOf(AT + 7_500), 7.5);
  assert.equal(timeline.positionOf(AT + 72_000), 12);
  assert.equal(timeline.positionOf(AT + 79_000), 19);
});

test('what was written in the gap is shown where class goes on', () => {
  assert.equal(new PlaybackTimeline(marksOfPlaylist(interrupted)).positionOf(AT + 40_000), 10);
});

test('what is not there to be played is left out', () => {
  const timeline = new PlaybackTimeline(
    marksOfPlaylist(interrupted.replace('#EXTINF:5.000,\n4.m4s', '#EXT-X-GAP\n#EXTINF:5.000,\n4.m4s')),
  );
  assert.equal(timeline.end?.positionS, 15);
  assert.equal(timeline.positionOf(AT + 79_000), 15);
});

test('what was written before class is shown at its start, and after class at its end', () => {
  const timeline = new PlaybackTimeline(marksOfPlaylist(interrupted));
  assert.equal(timeline.positionOf(AT - 60_000), 0);
  assert.equal(timeline.positionOf(AT + 600_000), 20);
});

test('a playlist without dates gives no marks, and an odd one does no harm', () => {
  assert.deepEqual(marksOfPlaylist('#EXTM3U\n#EXTINF:2,\na.m4s\n'), []);
  assert.deepEqual(marksOfPlaylist('#EXT-X-PROGRAM-DATE-TIME:yesterday\n#EXTINF:x,\na.m4s'), []);
  assert.ok(new PlaybackTimeline([]).empty);
});

const fresh = 'https://cdn.example.org/live/c/index.m3u8?expires=2000000000&sign=new&viewer=v2';

test('requests below a signed playlist get its newest signature', () => {
  assert.equal(
    withSignatureOf(fresh, 'https://cdn.example.org/live/c/v0/7.m4s?expires=1&sign=old&part=2'),
    'https://cdn.example.org/live/c/v0/7.m4s?expires=2000000000&sign=new&part=2&viewer=v2',
  );
});

test('a signature is never sent to another server, nor added where there was none', () => {
  const elsewhere = 'https://evil.example.com/7.m4s?sign=old';
  assert.equal(withSignatureOf(fresh, elsewhere), elsewhere);
  assert.equal(
    withSignatureOf(fresh, 'https://cdn.example.org/open.m4s'),
    'https://cdn.example.org/open.m4s',
  );
});

test('the end of an address is read from it', () => {
  assert.equal(expiresAtMs(fresh), 2_000_000_000_000);
  assert.equal(expiresAtMs('https://cdn.example.org/open.m4s'), Number.POSITIVE_INFINITY);
});

/** A chat of `count` messages, one each `stepMs`, as the school gives it out. */
function archive(count: number, stepMs: number, pageSize = 100) {
  const all = Array.from({ length: count }, (_, n) => ({
    id: `m${n}`,
    name: 'Ann',
    role: 'student' as const,
    text: String(n),
    sentAtMs: AT + Math.floor(n * stepMs),
    hidden: false,
  }));
  const compare = (a: { sentAtMs: number; id: string }, ms: number, id: string) =>
    a.sentAtMs - ms || (a.id < id ? -1 : a.id > id ? 1 : 0);
  let asked = 0;
  return {
    all,
    asked: () => asked,
    ask: async (place: { after: string } | { before: string }): Promise<ReplayChatPage> => {
      asked += 1;
      const isBack = 'before' in place;
      const [ms, id = ''] = ('before' in place ? place.before : place.after).split('.');
      const found = all.filter((message) => compare(message, Number(ms), id) * (isBack ? -1 : 1) > 0);
      const messages = isBack ? found.slice(-pageSize) : found.slice(0, pageSize);
      const last = isBack ? messages[0] : messages.at(-1);
      const next = found.length > messages.length && last ? `${last.sentAtMs}.${last.id}` : null;
      return { messages, next };
    },
  };
}

/** Pages of `chat`, with a clock that is moved by hand; `settled` once nothing is asked for any more. */
function pagesOf(chat: Pick<ReturnType<typeof archive>, 'ask'>) {
  const due: (() => void)[] = [];
  let asking = 0;
  const pages = new ChatPages({
    ask: (place) => {
      asking += 1;
      return chat.ask(place).finally(() => (asking -= 1));
    },
    clock: { nowMs: () => 0, after: (_ms, callback) => (due.push(callback), () => undefined) },
    changed: () => undefined,
  });
  const settled = async () => {
    do await new Promise((resolve) => setImmediate(resolve));
    while (asking > 0);
  };
  return { pages, settled, retry: () => due.splice(0).forEach((callback) => callback()) };
}

test('the chat of a replay is loaded around the place that is played', async () => {
  const chat = archive(20_000, 100);
  const { pages, settled } = pagesOf(chat);
  const shown = (atMs: number) => pages.messages.filter(({ sentAtMs }) => sentAtMs <= atMs);
  pages.moveTo(AT);
  await settled();
  assert.equal(shown(AT).length, 1);
  assert.ok(pages.messages.length <= 200);
  // As it plays, nothing is left out.
  for (let s = 0; s <= 60; s += 0.25) {
    pages.moveTo(AT + s * 1_000);
    await settled();
  }
  assert.deepEqual(
    shown(AT + 60_000),
    chat.all.filter(({ sentAtMs }) => sentAtMs <= AT + 60_000),
  );
  // Far ahead: what was written last before that place is there, without all that lies between.
  const before = chat.asked();
  pages.moveTo(AT + 1_500_050);
  await settled();
  assert.equal(shown(AT + 1_500_050).at(-1)?.id, 'm15000');
  assert.ok(chat.asked() - before < 10, `${chat.asked() - before} pages`);
  // What is earlier comes when somebody asks for it, and the place is back at the start when they go there.
  const first = Number(pages.messages[0]?.text);
  await pages.earlier();
  assert.equal(Number(pages.messages[0]?.text), first - 100);
  pages.moveTo(AT);
  await settled();
  assert.equal(shown(AT).at(-1)?.id, 'm0');
  assert.equal(pages.hasEarlier, false);
  pages.close();
});

test('a flood of messages in one second neither keeps the page asking nor hides what follows', async () => {
  const chat = archive(5_000, 0.2);
  chat.all.sort((a, b) => a.sentAtMs - b.sentAtMs || (a.id < b.id ? -1 : 1));
  chat.all.push({
    id: 'z',
    name: 'Ann',
    role: 'student',
    text: 'Thank you',
    sentAtMs: AT + 59_000,
    hidden: false,
  });
  const { pages, settled } = pagesOf(chat);
  for (const atMs of [AT, AT + 1, AT + 30_000, AT + 59_500]) {
    pages.moveTo(atMs);
    await settled();
  }
  assert.equal(pages.messages.at(-1)?.text, 'Thank you');
  assert.ok(chat.asked() < 40, `${chat.asked()} pages`);
  pages.close();
});

test('a chat that cannot be had is asked for again, and an empty one is known to be so', async () => {
  let fails = true;
  const empty = archive(0, 1);
  const { pages, settled, retry } = pagesOf({
    ask: (place) => (fails ? Promise.reject(new Error('away')) : empty.ask(place)),
  });
  pages.moveTo(AT);
  await settled();
  assert.equal(pages.state, 'failed');
  fails = false;
  retry();
  await settled();
  assert.equal(pages.state, 'ready');
  assert.ok(pages.isEmpty);
  pages.close();
});

test('the wall’s clock is found from the replay’s, after a gap too', () => {
  const timeline = new PlaybackTimeline(marksOfPlaylist(interrupted));
  assert.equal(timeline.wallMsAt(3), AT + 3_000);
  assert.equal(timeline.wallMsAt(12), AT + 72_000);
  assert.equal(new PlaybackTimeline([]).wallMsAt(3), 0);
});

test('a replay goes on where it was left, but for its first and last seconds, and only the newest are kept', () => {
  const kept = new Map<string, string>();
  const store = {
    get: (key: string) => kept.get(key) ?? null,
    set(key: string, value: string | null) {
      if (value === null) kept.delete(key);
      else kept.set(key, value);
    },
  };
  assert.equal(recallPlace(store, 'first'), 0);
  rememberPlace(store, 'first', 123.4, 600);
  assert.equal(recallPlace(store, 'first'), 123);
  rememberPlace(store, 'first', 3, 600);
  assert.equal(recallPlace(store, 'first'), 0, 'begun again');
  rememberPlace(store, 'first', 595, 600);
  assert.equal(recallPlace(store, 'first'), 0, 'watched to its end');
  assert.equal(kept.size, 0);
  for (let index = 0; index < 60; index += 1) rememberPlace(store, `replay${index}`, 60, 600);
  assert.equal(recallPlace(store, 'replay9'), 0);
  assert.equal(recallPlace(store, 'replay10'), 60);
  for (const [key] of kept) kept.set(key, '{"not":"ours"}');
  assert.equal(recallPlace(store, 'replay10'), 0, 'what is damaged is nothing');
});
