// Clocks that wrap, and the sender's clock, which is the only one that sound and picture share.

/** Seconds between 1900, where NTP begins, and 1970. */
const NTP_UNIX_OFFSET_S = 2_208_988_800;
/** The same in ms. */
export const NTP_UNIX_OFFSET_MS = NTP_UNIX_OFFSET_S * 1_000;

/** An NTP timestamp of 32.32 bits in ms since 1970. */
export function ntpToUnixMs(seconds: number, fraction: number): number {
  return (seconds - NTP_UNIX_OFFSET_S) * 1_000 + (fraction * 1_000) / 2 ** 32;
}

/** Ms since 1970 as an NTP timestamp of 32.32 bits. */
export function unixMsToNtp(unixMs: number): { readonly seconds: number; readonly fraction: number } {
  const seconds = Math.floor(unixMs / 1_000);
  return {
    seconds: seconds + NTP_UNIX_OFFSET_S,
    fraction: Math.floor(((unixMs - seconds * 1_000) / 1_000) * 2 ** 32),
  };
}

/**
 * Makes a counter of `bits` bits that wraps (RTP timestamps 32, RTP sequence numbers 16, FLV 32) one that
 * does not: each value is taken to be the one nearest to the latest before it. The first stands as it
 * is, so a value from before the first may come out negative.
 */
export class Unwrapper {
  readonly #range: number;
  #latest: number | null = null;

  constructor(bits: number) {
    this.#range = 2 ** bits;
  }

  unwrap(value: number): number {
    const latest = this.#latest;
    if (latest === null) {
      this.#latest = value;
      return value;
    }
    const ahead = modulo(value - latest, this.#range);
    const unwrapped = latest + (ahead < this.#range / 2 ? ahead : ahead - this.#range);
    this.#latest = unwrapped;
    return unwrapped;
  }
}

/** What differs by more, in ms, is believed only once a later report agrees: a clock was set, or many samples lost. */
const JUMP_MS = 500;
/** Reports within this count as one, in ms: what held the first of them up may have held up all. */
const TOGETHER_MS = 400;
/** Media that is taken to be this much too early is put right at once: so early, sound is noticed (ITU-R BT.1359-1). */
export const EARLY_MS = 45;
/** Slewing changes the speed of time by no more than this: 10 ms per second is not heard or seen. */
const SLEW_RATE = 0.01;
/** Above this, lips are seen to be off, and five times the speed is the lesser evil. In ms. */
const VISIBLE_MS = 100;
const FAST_SLEW_RATE = 0.05;
/** Media this much ahead of its own arrival, or this far back, has been given new timestamps. In ms. */
const RESET_MS = 5_000;

interface Report {
  readonly ntpMs: number;
  readonly arrivalMs: number;
}

/**
 * Maps the unwrapped RTP timestamps of one track to the sender's wall clock, from sender reports
 * (RFC 3550 §6.4.1) or abs-capture-time pairs. For RTP timestamps that rise, the result never goes back:
 * - a report is late by what the sender was held up when it made it, never early: of the newest, and those made well
 *   before it, the lesser counts;
 * - a mapping that a later report corrects is slewed into, not stepped, but for media that would be noticeably
 *   early: a microphone on a busy machine loses samples, and what comes after them belongs later;
 * - one report far off is ignored until a second agrees;
 * - RTP timestamps that start again go on where they were until the next report;
 * - a sender that sets its wall clock is followed in its old time, as all its tracks will be.
 * Arrival times are of any local clock that does not jump, in ms; they only tell these cases apart.
 */
export class SenderClock {
  readonly #ticksPerMs: number;
  /** Sender time minus RTP time, in ms: what is used, and what the reports say. */
  #offsetMs: number | null = null;
  #targetMs = 0;
  /** The least that the latest reports say, which came together, and the least of those before; believed or not. */
  #newest = { leastMs: Infinity, sinceMs: -Infinity };
  #before = Infinity;
  /** What a sender's wall clock was set by, in ms. */
  #setByMs = 0;
  #accepted: Report | null = null;
  /** True while the mapping is a guess that the next report replaces without a second one. */
  #guessed = false;
  #furthest: { readonly rtpMs: number; readonly arrivalMs: number; readonly senderMs: number } | null = null;
  /** The least of arrival minus RTP time: the path without queues. */
  #leastTransitMs = Infinity;

  /** `clockRate` in ticks per second. */
  constructor(clockRate: number) {
    this.#ticksPerMs = clockRate / 1000;
  }

  /** True once `senderMs` gives an answer. */
  get known(): boolean {
    return this.#offsetMs !== null;
  }

  /** Takes one pair: at RTP time `rtp` (unwrapped) the sender's wall clock showed `ntpMs`. */
  report(rtp: number, ntpMs: number, arrivalMs: number): void {
    const measuredMs = ntpMs - this.#setByMs - rtp / this.#ticksPerMs;
    const report = { ntpMs, arrivalMs };
    this.#note(measuredMs, arrivalMs);
    if (this.#offsetMs === null) {
      this.#offsetMs = measuredMs;
      this.#accept(measuredMs, report);
      return;
    }
    const { leastMs } = this.#newest;
    const beforeMs = this.#before;
    const isLater = (ms: number) => ms - this.#targetMs > JUMP_MS;
    const agrees = Math.abs(leastMs - beforeMs) <= JUMP_MS || (isLater(leastMs) && isLater(beforeMs));
    const saidMs = agrees ? Math.min(leastMs, beforeMs) : leastMs;
    const byMs = saidMs - this.#targetMs;
    const isJump = Math.abs(byMs) > JUMP_MS;
    if (isJump && !agrees && !this.#guessed) return;
    if (isJump && this.#wallClockWasSet(report, byMs)) {
      this.#setByMs += byMs;
      this.#newest.leastMs -= byMs;
      this.#before -= byMs;
      this.#accept(this.#targetMs, report);
    } else {
      this.#accept(saidMs, report);
    }
  }

  /**
   * The sender's wall clock in ms at RTP time `rtp` (unwrapped), of a packet that arrived at
   * `arrivalMs`; null before the first report.
   */
  senderMs(rtp: number, arrivalMs: number): number | null {
    if (this.#offsetMs === null) return null;
    const rtpMs = rtp / this.#ticksPerMs;
    const last = this.#furthest;
    if (last) {
      const wentBack = rtpMs - last.rtpMs < -RESET_MS;
      const fromTheFuture = arrivalMs - rtpMs < this.#leastTransitMs - RESET_MS;
      if (wentBack || fromTheFuture) this.#startAnew(last, rtpMs, arrivalMs);
      else this.#slew(rtpMs - last.rtpMs);
    }
    this.#leastTransitMs = Math.min(this.#leastTransitMs, arrivalMs - rtpMs);
    const senderMs = rtpMs + this.#offsetMs;
    if (!last || senderMs >= last.senderMs) this.#furthest = { rtpMs, arrivalMs, senderMs };
    return senderMs;
  }

  #note(measuredMs: number, arrivalMs: number): void {
    if (arrivalMs - this.#newest.sinceMs < TOGETHER_MS) {
      this.#newest.leastMs = Math.min(this.#newest.leastMs, measuredMs);
      return;
    }
    this.#before = this.#newest.leastMs;
    this.#newest = { leastMs: measuredMs, sinceMs: arrivalMs };
  }

  #accept(targetMs: number, report: Report): void {
    this.#targetMs = targetMs;
    // Forward is safe at once; back has to be slewed.
    if (this.#offsetMs !== null && targetMs - this.#offsetMs > EARLY_MS) this.#offsetMs = targetMs;
    this.#accepted = report;
    this.#guessed = false;
  }

  /**
   * True if it is the wall clock of the reports that went on by `byMs` more than time did here; else it was the RTP
   * clock, or samples are missing. Reports are up to a second old when they arrive.
   */
  #wallClockWasSet(report: Report, byMs: number): boolean {
    const before = this.#accepted;
    if (!before) return false;
    const aheadMs = report.ntpMs - before.ntpMs - (report.arrivalMs - before.arrivalMs);
    return Math.abs(aheadMs - byMs) < Math.abs(aheadMs);
  }

  #slew(elapsedMs: number): void {
    if (this.#offsetMs === null || elapsedMs <= 0) return;
    const errorMs = this.#targetMs - this.#offsetMs;
    const rate = Math.abs(errorMs) > VISIBLE_MS ? FAST_SLEW_RATE : SLEW_RATE;
    const stepMs = elapsedMs * rate;
    this.#offsetMs += Math.max(-stepMs, Math.min(stepMs, errorMs));
  }

  /** The RTP clock was given a new start: time goes on as it did here. */
  #startAnew(last: { arrivalMs: number; senderMs: number }, rtpMs: number, arrivalMs: number): void {
    const senderMs = last.senderMs + Math.max(1, arrivalMs - last.arrivalMs);
    this.#offsetMs = senderMs - rtpMs;
    this.#targetMs = this.#offsetMs;
    this.#newest = { leastMs: Infinity, sinceMs: -Infinity };
    this.#before = Infinity;
    this.#guessed = true;
    this.#leastTransitMs = Infinity;
    // The old mark is of the old clock.
    this.#furthest = null;
  }
}

function modulo(value: number, range: number): number {
  const rest = value % range;
  return rest < 0 ? rest + range : rest;
}
