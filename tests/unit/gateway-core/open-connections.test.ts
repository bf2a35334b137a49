// Those who watch for hours: asked again when something changes and when their time is over.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccessRequest, Decide, Verdict } from '../../../gateway/access/decide.ts';
import { OpenConnections } from '../../../gateway/access/revalidation.ts';

const request = (channel = 'channel12', nowMs = Date.now()): AccessRequest => ({
  action: 'play',
  resource: `/live/${channel}`,
  query: new URLSearchParams(),
  ip: '192.0.2.1',
  referer: undefined,
  nowMs,
});
const channelOf = ({ resource }: AccessRequest) => resource.slice('/live/'.length);
const REFUSED: Verdict = { allow: false, code: 'forbidden' };
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

describe('a connection that is open', () => {
  it('is closed within a second of a change that refuses it, and others stay', async () => {
    const refused = new Set<string>();
    const decide: Decide = (asked) =>
      Promise.resolve(refused.has(channelOf(asked)) ? REFUSED : { allow: true });
    const open = new OpenConnections(decide, channelOf);
    const closed: string[] = [];
    const held = ['channel12', 'channel12', 'channel13'].map((channel, index) =>
      open.hold(request(channel), () => closed.push(`${channel} ${index}`)),
    );
    for (const { verdict } of held) assert.equal((await verdict).allow, true);
    open.changed('channel12');
    await wait(20);
    assert.deepEqual(closed, [], 'they still may');
    refused.add('channel12');
    open.changed('channel12');
    await wait(20);
    assert.deepEqual(closed, ['channel12 0', 'channel12 1']);
    refused.add('channel13');
    open.changed(undefined);
    await wait(20);
    assert.equal(closed.length, 3);
    assert.equal(open.size, 0);
    open.close();
  });

  it('is not held where it was refused, nor when it has left', async () => {
    let asked = 0;
    const open = new OpenConnections(() => {
      asked += 1;
      return Promise.resolve(asked === 1 ? REFUSED : { allow: true });
    });
    const never = () => assert.fail('nothing is to be closed');
    assert.equal((await open.hold(request(), never).verdict).allow, false);
    const held = open.hold(request(), never);
    await held.verdict;
    assert.equal(open.size, 1);
    held.leave();
    held.leave();
    assert.equal(open.size, 0);
    open.changed(undefined);
    assert.equal(asked, 2);
    open.close();
  });

  it('misses no change between its question and its answer', async () => {
    const answers: ((verdict: Verdict) => void)[] = [];
    const open = new OpenConnections(() => new Promise((answer) => answers.push(answer)));
    let closed = 0;
    const held = open.hold(request(), () => (closed += 1));
    open.changed(undefined);
    answers[0]?.({ allow: true });
    await held.verdict;
    answers[1]?.(REFUSED);
    await wait(10);
    assert.equal(closed, 1);
    open.close();
  });

  it('is closed when its question has no answer for nearly a second', async () => {
    let isSilent = false;
    const open = new OpenConnections(() =>
      isSilent ? new Promise<Verdict>(() => undefined) : Promise.resolve({ allow: true }),
    );
    let closed = 0;
    await open.hold(request(), () => (closed += 1)).verdict;
    isSilent = true;
    open.changed(undefined);
    await wait(500);
    assert.equal(closed, 0);
    await wait(600);
    assert.equal(closed, 1);
    open.close();
  });

  it('is asked again when its signature runs out, but a download is carried through', async () => {
    let nowMs = 1_000_000_000_000;
    const untilMs = nowMs + 60_000;
    const decide: Decide = ({ nowMs: askedMs }) =>
      Promise.resolve(
        askedMs > untilMs ? { allow: false, code: 'signature-expired' } : { allow: true, untilMs },
      );
    const open = new OpenConnections(decide, channelOf, () => nowMs);
    const closed: string[] = [];
    await open.hold(request('channel12', nowMs), () => closed.push('live')).verdict;
    const download = open.hold(request('channel12', nowMs), () => closed.push('download'), {
      outlivesSignature: true,
    });
    await download.verdict;
    await wait(600);
    assert.deepEqual(closed, []);
    nowMs += 61_000;
    await wait(600);
    assert.deepEqual(closed, ['live']);
    open.changed('channel12');
    await wait(20);
    assert.deepEqual(closed, ['live'], 'a change that does not concern it does not end it');
    assert.equal(open.size, 1);
    open.close();
  });
});
