// When a packet was captured, on this machine's monotonic clock. What is said of the sender's clock
// comes from four places, of which the best that there is counts: abs-capture-time on a packet, the
// producer's own sender report in the feed, a report of the SFU, and, after a wait, mere arrival.
import { MAX_APART_MS } from '#shared/contract/publisher-notice.ts';
import type { FeedTrack } from '#shared/contract/internal.ts';
import { NTP_UNIX_OFFSET_MS, SenderClock, Unwrapper } from '#shared/media/clock.ts';
import type { CaptureTime } from '#shared/media/rtp.ts';

/** How long a track waits for a word of the sender itself, before it goes by what is worse. */
const SENDER_WAIT_MS = 1_000;
/** How often the mapping by arrival is corrected, and over how long the fastest packet counts. */
const ARRIVAL_WINDOW_MS = 5_000;
/**
 * Tracks on one clock differ in their way to us by less than this; else it is another clock. What a program sends
 * has one clock, our own, and may be on its way for longer in one kind than in the other.
 */
const SAME_CLOCK_MS = { tab: 2_000, encoder: MAX_APART_MS + 2_000 } as const;
/** A clock that nobody reported for this long is gone: the teacher is back on another machine. */
const FORGOTTEN_MS = 6_000;

/** The two clocks that timestamps come from: that of who captured, and that of the SFU. */
export type ClockName = 'sender' | 'relay';

/**
 * Where the clocks of one broadcast stand against ours. The tracks share it: whatever the difference is
 * taken to be, it is the same for sound and picture, and so they stay together.
 */
export class ClockGroup {
  readonly #offsets = new Map<ClockName, { offsetMs: number; agreedAtMs: number }>();

  /**
   * Our time minus that clock's, in ms. `apartMs` is the same as measured by the track that asks: it
   * sets the difference if it is the first, or if nobody has agreed with the old one for long; else, if
   * it is far from it, by `sameMs` or more, it is turned down (undefined).
   */
  offsetMs(
    clock: ClockName,
    apartMs: number,
    nowMs: number,
    sameMs: number = SAME_CLOCK_MS.tab,
  ): number | undefined {
    const known = this.#offsets.get(clock);
    if (known !== undefined && Math.abs(known.offsetMs - apartMs) <= sameMs) {
      known.agreedAtMs = nowMs;
      return known.offsetMs;
    }
    if (known !== undefined && nowMs - known.agreedAtMs < FORGOTTEN_MS) return undefined;
    this.#offsets.set(clock, { offsetMs: apartMs, agreedAtMs: nowMs });
    return apartMs;
  }
}

type Basis = 'none' | 'arrival' | 'relay' | 'feed' | 'capture';
const RANK: Readonly<Record<Basis, number>> = { none: 0, arrival: 1, relay: 2, feed: 3, capture: 4 };

/** The clock of one track. RTP times are given out unwrapped, in ticks. */
export class TrackClock {
  readonly #ticksPerMs: number;
  readonly #group: ClockGroup;
  readonly #clock: SenderClock;
  readonly #sameMs: number;
  readonly #unwrapper = new Unwrapper(32);
  #basis: Basis = 'none';
  #latest: { ticks: number; timestamp: number } | undefined;
  #firstArrivalMs = 0;
  /** Least arrival minus RTP time, in this window and the one before. */
  #fastest = Infinity;
  #fastestBefore = Infinity;
  #windowEndsMs = 0;
  /** A report that came ahead of the first packet. */
  #early: (() => void)[] = [];
  /** The latest of the SFU's reports that came while the sender's word was waited for. */
  #relay: (() => void) | undefined;
  #feedRtp: number | undefined;

  /** `clockRate` in ticks per second. */
  constructor(clockRate: number, group: ClockGroup, isEncoder = false) {
    this.#sameMs = isEncoder ? SAME_CLOCK_MS.encoder : SAME_CLOCK_MS.tab;
    this.#ticksPerMs = clockRate / 1_000;
    this.#clock = new SenderClock(clockRate);
    this.#group = group;
  }

  /** Takes a packet's timestamps as it arrives; returns its RTP time in ticks. */
  arrived(timestamp: number, capture: CaptureTime | undefined, nowMs: number): number {
    const ticks = this.#unwrapper.unwrap(timestamp);
    const first = this.#latest === undefined;
    this.#latest = { ticks, timestamp };
    if (first) this.#firstArrivalMs = nowMs;
    if (nowMs >= this.#windowEndsMs) {
      this.#fastestBefore = this.#fastest;
      this.#fastest = Infinity;
      this.#windowEndsMs = nowMs + ARRIVAL_WINDOW_MS;
      if (this.#basis === 'arrival') this.#reportArrival(nowMs);
    }
    this.#fastest = Math.min(this.#fastest, nowMs - ticks / this.#ticksPerMs);
    if (capture !== undefined) this.#reportCapture(ticks, capture, nowMs);
    if (first) for (const report of this.#early.splice(0)) report();
    return ticks;
  }

  /**
   * Takes a sender report that the SFU made, on the SFU's clock. It says when the SFU sent the packet on,
   * so sound that was longer on its way (e.g. through an encoder) would be put too late by it, and the
   * sender's word, a little later, could only be slewed into: it counts once that was waited for.
   */
  relayReport(timestamp: number, ntpMs: number, nowMs: number): void {
    const report = () => this.#report('relay', 'relay', timestamp, ntpMs, nowMs);
    if (this.#isWaiting(nowMs)) this.#relay = report;
    else report();
  }

  /** Takes the producer's sender report as the feed states it; the same one again changes nothing. */
  feedReport(report: NonNullable<FeedTrack['senderReport']>, nowMs: number): void {
    if (report.rtp === this.#feedRtp) return;
    this.#feedRtp = report.rtp;
    // NTP counts from 1900; either way of stating it is understood.
    const unixMs = report.ntpMs > NTP_UNIX_OFFSET_MS ? report.ntpMs - NTP_UNIX_OFFSET_MS : report.ntpMs;
    this.#report('feed', 'sender', report.rtp, unixMs, nowMs);
  }

  /**
   * When the media at `ticks` was captured, on our clock in ms; undefined until it can be told. Frames
   * are held until then: for a second at most.
   */
  localMs(ticks: number, nowMs: number): number | undefined {
    if (!this.#clock.known && !this.#isWaiting(nowMs)) {
      this.#relay?.();
      if (!this.#clock.known) this.#reportArrival(nowMs);
    }
    return this.#clock.senderMs(ticks, nowMs) ?? undefined;
  }

  #isWaiting(nowMs: number): boolean {
    return this.#latest === undefined || nowMs - this.#firstArrivalMs < SENDER_WAIT_MS;
  }

  #report(basis: Basis, clock: ClockName, timestamp: number, ntpMs: number, nowMs: number): void {
    const latest = this.#latest;
    if (latest === undefined) {
      if (this.#early.length < 4) this.#early.push(() => this.#report(basis, clock, timestamp, ntpMs, nowMs));
      return;
    }
    this.#take(basis, clock, latest.ticks + ((timestamp - latest.timestamp) | 0), ntpMs, nowMs);
  }

  #reportCapture(ticks: number, { ntpMs, offsetMs }: CaptureTime, nowMs: number): void {
    if (this.#take('capture', 'sender', ticks, ntpMs, nowMs) || offsetMs === undefined) return;
    // Another sender's clock: the offset tells it on the SFU's.
    this.#take('capture', 'relay', ticks, ntpMs - offsetMs, nowMs);
  }

  #reportArrival(nowMs: number): void {
    const latest = this.#latest;
    if (latest === undefined || RANK[this.#basis] > RANK.arrival) return;
    this.#basis = 'arrival';
    this.#clock.report(latest.ticks, latest.ticks / this.#ticksPerMs + this.#leastTransitMs(), nowMs);
  }

  /** Takes a pair unless there is something better; returns false if its clock makes no sense. */
  #take(basis: Basis, clock: ClockName, ticks: number, ntpMs: number, nowMs: number): boolean {
    if (RANK[basis] < RANK[this.#basis]) return true;
    const apartMs = this.#leastTransitMs() + ticks / this.#ticksPerMs - ntpMs;
    const offsetMs = this.#group.offsetMs(clock, apartMs, nowMs, this.#sameMs);
    if (offsetMs === undefined) return false;
    this.#basis = basis;
    this.#clock.report(ticks, ntpMs + offsetMs, nowMs);
    return true;
  }

  #leastTransitMs(): number {
    return Math.min(this.#fastest, this.#fastestBefore);
  }
}
