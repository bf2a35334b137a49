// How fast the counts of a channel grow: a sample of them each second, for half a minute.

/** What is sampled; all of it only grows while a broadcast is on air. */
export interface Counts {
  readonly inBytes: number;
  readonly outBytes: number;
  readonly videoFrames: number;
  readonly packets: number;
  readonly lost: number;
  readonly slow: number;
}

export interface RatesNow {
  /** Over the last five seconds. */
  readonly inBps: number;
  readonly outBps: number;
  readonly fps: number;
  /** Over the last half minute. */
  readonly lossRatio: number;
  readonly slow: number;
}

const SHORT_MS = 5_000;
const LONG_MS = 30_000;

interface Sample {
  readonly atMs: number;
  readonly counts: Counts;
}

/** Of one broadcast. Times are monotonic, in ms. */
export class Rates {
  readonly #samples: Sample[] = [];

  update(counts: Counts, atMs: number): void {
    this.#samples.push({ atMs, counts });
    while (atMs - (this.#samples[0]?.atMs ?? atMs) > LONG_MS) this.#samples.shift();
  }

  /** Zeros until there are two samples. */
  now(): RatesNow {
    const last = this.#samples.at(-1);
    const long = this.#samples[0];
    const short = this.#samples.find(({ atMs }) => last !== undefined && last.atMs - atMs <= SHORT_MS);
    if (last === undefined || long === undefined || short === undefined) return NONE;
    const perSecond = (name: keyof Counts) => {
      const passedS = (last.atMs - short.atMs) / 1_000;
      return passedS > 0 ? Math.max(0, last.counts[name] - short.counts[name]) / passedS : 0;
    };
    const grown = (name: keyof Counts) => Math.max(0, last.counts[name] - long.counts[name]);
    const expected = grown('packets') + grown('lost');
    return {
      inBps: Math.round(perSecond('inBytes') * 8),
      outBps: Math.round(perSecond('outBytes') * 8),
      fps: Math.round(perSecond('videoFrames') * 10) / 10,
      lossRatio: expected > 0 ? grown('lost') / expected : 0,
      slow: grown('slow'),
    };
  }
}

const NONE: RatesNow = { inBps: 0, outBps: 0, fps: 0, lossRatio: 0, slow: 0 };
