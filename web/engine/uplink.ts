// How well this tab's media leaves it: samples from RTCStatsReport and one rule. Pure.
import { expected } from '#shared/expected.ts';

export type Health = 'good' | 'fair' | 'poor';
/** What to blame: the network, this computer's processor, or nothing. */
export type HealthCause = 'network' | 'computer' | null;

/** One second of sending. */
export interface UplinkSample {
  readonly connected: boolean;
  /** Round trip, in ms; null before the first report. */
  readonly rttMs: number | null;
  /** Share of packets lost on the way, 0 to 1; the worst stream counts. */
  readonly loss: number;
  /** What the bandwidth estimate allows, in bit/s; null where the browser does not say. */
  readonly availableBps: number | null;
  /** What the encoders are held back by. */
  readonly limitedBy: 'none' | 'bandwidth' | 'cpu';
}

export interface UplinkHealth {
  readonly health: Health;
  readonly cause: HealthCause;
  readonly rttMs: number | null;
  readonly loss: number;
  readonly sentBps: number | null;
}

const POOR = { loss: 0.1, rttMs: 600, availableBps: 250_000 };
const FAIR = { loss: 0.03, rttMs: 300, availableBps: 900_000 };
/** How many seconds in a row must be better before the word gets better. */
const CALM_SAMPLES = 4;

/** What one sample alone says. `video`: a picture is being sent, which needs more than a voice. */
export function judge(sample: UplinkSample, video: boolean): { health: Health; cause: HealthCause } {
  if (!sample.connected) return { health: 'poor', cause: 'network' };
  const rtt = sample.rttMs ?? 0;
  const available = sample.availableBps ?? Infinity;
  if (sample.loss >= POOR.loss || rtt >= POOR.rttMs || (video && available < POOR.availableBps)) {
    return { health: 'poor', cause: 'network' };
  }
  if (sample.loss >= FAIR.loss || rtt >= FAIR.rttMs || (video && available < FAIR.availableBps)) {
    return { health: 'fair', cause: 'network' };
  }
  if (video && sample.limitedBy === 'cpu') return { health: 'fair', cause: 'computer' };
  return { health: 'good', cause: null };
}

const SAMPLE_MS = 1_000;
const RANK: Readonly<Record<Health, number>> = { good: 0, fair: 1, poor: 2 };

/** Keeps the word from flickering: worse counts at once, better after a few calm seconds. */
export class UplinkJudge {
  #shown: { health: Health; cause: HealthCause } = { health: 'good', cause: null };
  #calm = 0;

  next(sample: UplinkSample, video: boolean): { health: Health; cause: HealthCause } {
    const now = judge(sample, video);
    const better = RANK[now.health] < RANK[this.#shown.health];
    this.#calm = better ? this.#calm + 1 : 0;
    if (!better || this.#calm >= CALM_SAMPLES) {
      this.#shown = now;
      this.#calm = 0;
    }
    return this.#shown;
  }
}

/** The members of the WebRTC statistics (W3C webrtc-stats) that are read here. */
interface StatsEntry {
  readonly type: string;
  readonly roundTripTime?: number;
  readonly currentRoundTripTime?: number;
  readonly fractionLost?: number;
  readonly availableOutgoingBitrate?: number;
  readonly qualityLimitationReason?: string;
  readonly bytesSent?: number;
  readonly nominated?: boolean;
  readonly state?: string;
}

/** Reads a sample, and all bytes sent so far, out of a sending transport's report. */
export function readUplink(
  report: Iterable<readonly [string, StatsEntry]>,
  connected: boolean,
): UplinkSample & { readonly bytesSent: number } {
  let rttMs: number | null = null;
  let loss = 0;
  let availableBps: number | null = null;
  let limitedBy: UplinkSample['limitedBy'] = 'none';
  let bytesSent = 0;
  for (const [, entry] of report) {
    if (entry.type === 'remote-inbound-rtp') {
      loss = Math.max(loss, entry.fractionLost ?? 0);
    } else if (entry.type === 'outbound-rtp') {
      if (entry.qualityLimitationReason === 'cpu') limitedBy = 'cpu';
      else if (entry.qualityLimitationReason === 'bandwidth' && limitedBy === 'none') limitedBy = 'bandwidth';
    } else if (entry.type === 'candidate-pair' && entry.nominated === true && entry.state === 'succeeded') {
      if (entry.currentRoundTripTime !== undefined) rttMs = entry.currentRoundTripTime * 1_000;
      availableBps = entry.availableOutgoingBitrate ?? availableBps;
      bytesSent += entry.bytesSent ?? 0;
    }
  }
  return { connected, rttMs, loss, availableBps, limitedBy, bytesSent };
}

/** What the meter looks at. */
export interface UplinkSource {
  /** The sending transport; undefined while there is none. */
  readonly sending: { readonly connectionState: string; getStats(): Promise<RTCStatsReport> } | undefined;
  readonly sendsVideo: boolean;
}

/** Looks once a second at what leaves this tab. `close()` ends it. */
export class UplinkMeter {
  readonly #source: () => UplinkSource;
  readonly #onChange: () => void;
  readonly #judge = new UplinkJudge();
  readonly #timer: ReturnType<typeof setInterval>;
  #last: { readonly transport: object; readonly bytesSent: number } | undefined;
  #uplink: UplinkHealth | null = null;

  constructor(source: () => UplinkSource, onChange: () => void) {
    this.#source = source;
    this.#onChange = onChange;
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_MS);
  }

  /** Null while nothing is sent. */
  get uplink(): UplinkHealth | null {
    return this.#uplink;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#uplink = null;
  }

  async #sample(): Promise<void> {
    const { sending, sendsVideo } = this.#source();
    // A transport that never carried anything has no health to speak of.
    if (sending === undefined || sending.connectionState === 'new') {
      this.#last = undefined;
      this.#uplink = null;
      return;
    }
    const report = await sending.getStats().catch(expected('the transport is closed'));
    if (report === undefined) return;
    const { bytesSent, ...sample } = readUplink(report, sending.connectionState === 'connected');
    const before = this.#last?.transport === sending ? this.#last.bytesSent : undefined;
    this.#last = { transport: sending, bytesSent };
    this.#uplink = {
      ...this.#judge.next(sample, sendsVideo),
      rttMs: sample.rttMs,
      loss: sample.loss,
      sentBps: before === undefined ? null : (Math.max(0, bytesSent - before) * 8_000) / SAMPLE_MS,
    };
    this.#onChange();
  }
}
