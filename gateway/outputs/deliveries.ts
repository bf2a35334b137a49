// What each channel on air gave to its viewers. A channel that is off the air is forgotten, so that the
// metrics never have more labels than there are classes at this moment.
import { Histogram, type Registry } from 'prom-client';

/** In seconds. */
export const FIRST_FRAME_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5];
/** The newest first frames that are kept one by one, for exact quantiles. */
const KEPT = 200;

export interface DeliveryFigures {
  /** By protocol. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly skipped: number;
  readonly closed: number;
  /** How long the newest viewers waited for their first media, in seconds, oldest first. */
  readonly firstFramesS: readonly number[];
}

interface Counting extends DeliveryFigures {
  readonly bytes: Record<string, number>;
  skipped: number;
  closed: number;
  readonly firstFramesS: number[];
}

const NOTHING: DeliveryFigures = { bytes: {}, skipped: 0, closed: 0, firstFramesS: [] };

export class Deliveries {
  readonly #channels = new Map<string, Counting>();
  readonly #firstFrame: Histogram<'channel'>;

  constructor(registry: Registry) {
    this.#firstFrame = new Histogram({
      name: 'lectern_channel_first_frame_seconds',
      help: 'From the request of a viewer of this channel to the first media handed to it.',
      labelNames: ['channel'],
      buckets: FIRST_FRAME_BUCKETS,
      registers: [registry],
    });
  }

  /** The channel goes on air: it counts from nothing. */
  open(channel: string): void {
    this.#channels.set(channel, { bytes: {}, skipped: 0, closed: 0, firstFramesS: [] });
  }

  /** The channel is off the air. */
  close(channel: string): void {
    this.#channels.delete(channel);
    this.#firstFrame.remove({ channel });
  }

  of(channel: string): DeliveryFigures {
    return this.#channels.get(channel) ?? NOTHING;
  }

  sent(channel: string, protocol: string, bytes: number): void {
    const delivery = this.#channels.get(channel);
    if (delivery !== undefined) delivery.bytes[protocol] = (delivery.bytes[protocol] ?? 0) + bytes;
  }

  slow(channel: string, outcome: 'skipped' | 'closed'): void {
    const delivery = this.#channels.get(channel);
    if (delivery !== undefined) delivery[outcome] += 1;
  }

  firstFrame(channel: string, seconds: number): void {
    const delivery = this.#channels.get(channel);
    if (delivery === undefined) return;
    this.#firstFrame.observe({ channel }, seconds);
    delivery.firstFramesS.push(seconds);
    if (delivery.firstFramesS.length > KEPT) delivery.firstFramesS.shift();
  }
}
