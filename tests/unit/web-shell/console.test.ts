// The console's figures: what is shown while answers come, fail, and come again; every warning in words.
import './svelte-modules.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { MAX_SAMPLES, SAMPLE_EVERY_MS, type StatusSample } from '#shared/contract/status-history.ts';
import { Warning, type Status } from '#shared/contract/status.ts';

const NO_LIMITS = { maxDays: null, maxBytes: null, going: [] };

const i18n = await import('../../../web/state/i18n.svelte.ts');
const { ConsoleStore } = await import('../../../web/state/console.svelte.ts');
const { warningText } = await import('../../../web/i18n/console.ts');

const answer = (atMs: number, cpuS: number): Status => ({
  atMs,
  services: [
    {
      name: 'gateway',
      state: 'up',
      answerMs: 3,
      vitals: { cpuS, memoryBytes: 9e7, uptimeS: 10 },
      cpu: 0.25,
    },
    { name: 'sfu', state: 'down', answerMs: null, vitals: null, cpu: null },
  ],
  channels: [],
  rooms: null,
  disk: null,
  sound: null,
  warnings: [],
});

function consoleOf(...answers: (Status | LecternError)[]) {
  return new ConsoleStore({
    status() {
      const next = answers.shift();
      assert.ok(next !== undefined, 'nobody asks again');
      return next instanceof LecternError ? Promise.reject(next) : Promise.resolve(next);
    },
    statusHistory: () => Promise.resolve({ samples: [] }),
    retention: () => Promise.resolve(NO_LIMITS),
  });
}

test('the last hour is there at once, and grows by what is new, an hour at most', async () => {
  const sample = (atMs: number): StatusSample => ({ atMs, services: {}, sums: null, channels: {} });
  const hour = Array.from({ length: MAX_SAMPLES }, (_, index) => sample((index + 1) * SAMPLE_EVERY_MS));
  const asked: (number | undefined)[] = [];
  const lastMs = MAX_SAMPLES * SAMPLE_EVERY_MS;
  const times = [lastMs + 1_000, lastMs + 4_000, lastMs + 11_000, lastMs + 14_000];
  const store = new ConsoleStore({
    status: () => Promise.resolve(answer(times.shift() ?? 0, 1)),
    retention: () => Promise.resolve(NO_LIMITS),
    statusHistory(afterMs) {
      asked.push(afterMs);
      if (asked.length === 2) return Promise.reject(new LecternError('service-unavailable'));
      return Promise.resolve({ samples: afterMs === undefined ? hour : [sample(afterMs + SAMPLE_EVERY_MS)] });
    },
  });
  await store.load();
  assert.equal(store.samples.length, MAX_SAMPLES);
  await store.load();
  await store.load();
  assert.deepEqual(asked, [undefined], 'no sample can be new within ten seconds');
  await store.load();
  assert.equal(store.samples.length, MAX_SAMPLES, 'what does not come leaves the lines as they are');
  await store.load();
  assert.deepEqual(asked, [undefined, lastMs, lastMs]);
  assert.equal(store.samples.length, MAX_SAMPLES);
  assert.equal(store.samples.at(-1)?.atMs, lastMs + SAMPLE_EVERY_MS);
});

test('an answer that does not come leaves the figures and says that they are old', async () => {
  const store = consoleOf(answer(0, 1), new LecternError('service-unavailable'), answer(9_000, 2));
  await store.load();
  await store.load();
  assert.equal(store.state.name === 'ready' && store.state.stale, 'service-unavailable');
  await store.load();
  assert.equal(store.state.name === 'ready' && store.state.stale, undefined);
});

test('someone who is no longer the owner sees nothing more, and that does not flicker with each look', async () => {
  const signedOut = { name: 'failed', code: 'unauthorized' };
  const refusal = new LecternError('unauthorized');
  const store = consoleOf(answer(0, 1), refusal, refusal);
  await store.load();
  await store.load();
  assert.deepEqual(store.state, signedOut);
  const again = store.load();
  assert.deepEqual(store.state, signedOut);
  await again;
});

test('where nothing ever came there is an error, and trying again clears it', async () => {
  const store = consoleOf(new LecternError('service-unavailable'), answer(0, 1));
  const name = () => store.state.name;
  await store.load();
  assert.equal(name(), 'failed');
  const again = store.load();
  assert.equal(name(), 'loading');
  await again;
  assert.equal(name(), 'ready');
});

test('every warning has its words in both languages, and leaves no placeholder open', () => {
  for (const locale of i18n.LOCALES) {
    i18n.setLocale(locale);
    for (const code of Warning.shape.code.options) {
      const text = warningText({
        code,
        service: 'gateway',
        title: 'Algebra',
        notice: 'converted',
        value: 1234,
      });
      assert.ok(text.length > 8 && !/[{}]/.test(text), `${locale} ${code}: ${text}`);
    }
  }
});

test('bit rates are written for people', () => {
  i18n.initLocale('en', ['en-US'], () => undefined);
  assert.equal(i18n.formatBitrate(640_000), '640 kb/s');
  assert.equal(i18n.formatBitrate(2_140_000), '2.1 Mb/s');
});
