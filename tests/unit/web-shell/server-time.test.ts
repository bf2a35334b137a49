import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerTime } from '../../../web/engine/server-time.ts';

const HOUR_MS = 3_600_000;
/** What the server's clock shows when the test begins. */
const START_MS = Date.parse('2026-11-29T08:00:00.250Z');

/** A viewer whose clock is `aheadMs` ahead, and a server whose answers take a while. */
function viewer(aheadMs: number) {
  let nowMs = START_MS;
  let off = aheadMs;
  const time = new ServerTime(() => nowMs + off);
  return {
    time,
    serverMs: () => nowMs,
    pass: (ms: number) => void (nowMs += ms),
    setClock: (ms: number) => void (off = ms),
    /** Asks; the way there and the way back take `wayMs` each. */
    ask(wayMs: number) {
      const answered = time.asked();
      nowMs += wayMs;
      const date = new Date(nowMs).toUTCString();
      nowMs += wayMs;
      answered(date);
    },
  };
}

test('a clock that is hours off is set right by the first answer, and exact after some', () => {
  for (const aheadMs of [13 * HOUR_MS, -13 * HOUR_MS, 700]) {
    const { time, serverMs, pass, ask } = viewer(aheadMs);
    ask(40);
    assert.ok(Math.abs(time.nowMs() - serverMs()) <= 540, `${time.nowMs() - serverMs()} ms off`);
    for (let n = 0; n < 20; n += 1) {
      pass(1_730);
      ask(40);
    }
    assert.ok(Math.abs(time.nowMs() - serverMs()) <= 120, `${time.nowMs() - serverMs()} ms off`);
  }
});

test('an answer without a date, or with none that can be read, changes nothing', () => {
  const { time, serverMs } = viewer(5_000);
  for (const date of [null, '', 'yesterday']) time.asked()(date);
  assert.equal(time.nowMs() - serverMs(), 5_000);
});

test('after a sleep, or once somebody has set the clock, the newest answer counts', () => {
  const { time, serverMs, ask, setClock } = viewer(0);
  for (let n = 0; n < 5; n += 1) ask(30);
  setClock(-8 * HOUR_MS);
  ask(30);
  assert.ok(Math.abs(time.nowMs() - serverMs()) <= 530);
});
