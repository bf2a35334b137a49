// How often one address may ask.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TokenBuckets } from '../../../server/token-buckets.ts';

function bucketsAt(clock: { ms: number }, capacity = 3, perSecond = 0.5): TokenBuckets {
  return new TokenBuckets({ capacity, perSecond, now: () => clock.ms });
}

describe('a token bucket', () => {
  it('lets a burst through, then says how long to wait, and keeps its word', () => {
    const clock = { ms: 1_000 };
    const buckets = bucketsAt(clock);
    assert.deepEqual(
      [1, 2, 3].map(() => buckets.take('192.0.2.1')),
      [0, 0, 0],
    );
    const waitS = buckets.take('192.0.2.1');
    assert.equal(waitS, 2);
    clock.ms += waitS * 1_000;
    assert.equal(buckets.take('192.0.2.1'), 0);
    assert.ok(buckets.take('192.0.2.1') > 0);
  });

  it('never holds more than its capacity', () => {
    const clock = { ms: 0 };
    const buckets = bucketsAt(clock);
    buckets.take('192.0.2.1');
    clock.ms += 3_600_000;
    assert.deepEqual(
      [1, 2, 3, 4].map(() => buckets.take('192.0.2.1') === 0),
      [true, true, true, false],
    );
  });

  it('is not filled by a clock that goes back', () => {
    const clock = { ms: 10_000 };
    const buckets = bucketsAt(clock, 1);
    buckets.take('192.0.2.1');
    clock.ms = 0;
    assert.ok(buckets.take('192.0.2.1') > 0);
  });

  it('counts a /64 of IPv6 as one, however it is written, and others as others', () => {
    const buckets = bucketsAt({ ms: 0 }, 1);
    assert.equal(buckets.take('2001:db8:0:1::1'), 0);
    assert.ok(buckets.take('2001:db8:0:1:ffff:ffff:ffff:ffff') > 0);
    assert.ok(buckets.take('2001:db8::1:0:0:0:2') > 0);
    assert.equal(buckets.take('2001:db8:0:2::1'), 0);
    assert.equal(buckets.take('::1'), 0);
    assert.equal(buckets.take('192.0.2.1'), 0);
    assert.equal(buckets.take('192.0.2.2'), 0);
  });

  it('does not grow forever', () => {
    const buckets = bucketsAt({ ms: 0 }, 1);
    buckets.take('192.0.2.1');
    for (let n = 0; n < 20_000; n += 1) buckets.take(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    assert.equal(buckets.take('192.0.2.1'), 0, 'the one that asked longest ago was forgotten');
    assert.ok(buckets.take('10.0.78.31') > 0, 'a later one was not');
  });
});
