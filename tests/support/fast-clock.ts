// A process whose time passes several times as fast, for `node --import=<url of this file>?speed=10&from=<ms since 1970>`:
// its clocks run faster, those that show the date since `from`, and its timers are due sooner. What waits for others
// does not: sockets and files are as fast as they are. All processes with the same address have the same time.
import { createRequire, syncBuiltinESMExports } from 'node:module';
import type * as timersPromises from 'node:timers/promises';

const query = new URL(import.meta.url).searchParams;
const speed = Number(query.get('speed') ?? 1);
const fromMs = Number(query.get('from') ?? Date.now());

const RealDate = Date;
const wallMs = RealDate.now.bind(RealDate);
const monotonicMs = performance.now.bind(performance);
const nowMs = () => Math.floor(fromMs + (wallMs() - fromMs) * speed);
const soonerMs = (ms = 0) => ms / speed;

class FastDate extends RealDate {
  constructor(...given: unknown[]) {
    if (given.length === 0) super(nowMs());
    else super(...(given as ConstructorParameters<DateConstructor>));
  }

  static override now(): number {
    return nowMs();
  }
}
Object.defineProperty(globalThis, 'Date', { value: FastDate });
Object.defineProperty(performance, 'now', { value: () => monotonicMs() * speed });

type Timer = typeof setTimeout | typeof setInterval;
/** The same timer, due sooner. */
const hurried = <T extends Timer>(timer: T): T =>
  new Proxy(timer, {
    apply: (target, self, [call, ms, ...more]: [() => void, number?, ...unknown[]]) =>
      Reflect.apply(target, self, [call, soonerMs(ms), ...more]),
  });
globalThis.setTimeout = hurried(setTimeout);
globalThis.setInterval = hurried(setInterval);

const promises = createRequire(import.meta.url)('node:timers/promises') as typeof timersPromises;
const sleep = promises.setTimeout;
promises.setTimeout = (ms, ...more) => sleep(soonerMs(ms), ...more);
syncBuiltinESMExports();
