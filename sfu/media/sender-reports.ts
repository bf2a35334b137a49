// The senders' own clocks: the latest RTCP sender report (RFC 3550 §6.4.1) of each layer of a producer.
import type { types } from 'mediasoup';
import { z } from 'zod';
import { ntpToUnixMs } from '#shared/media/clock.ts';

const SrInfo = z.object({ ssrc: z.number(), ntpSec: z.number(), ntpFrac: z.number(), rtpTs: z.number() });

/** When `rtp` was captured, in ms since 1970 by the sender's clock. */
export interface ProducerReport {
  readonly ntpMs: number;
  readonly rtp: number;
}

export class SenderReports {
  readonly #producer: types.Producer;
  readonly #bySsrc = new Map<number, ProducerReport>();

  private constructor(producer: types.Producer) {
    this.#producer = producer;
    producer.on('trace', ({ type, info }) => {
      const parsed = type === 'sr' ? SrInfo.safeParse(info) : undefined;
      if (parsed?.success !== true) return;
      const { ssrc, ntpSec, ntpFrac, rtpTs } = parsed.data;
      this.#bySsrc.set(ssrc, { ntpMs: ntpToUnixMs(ntpSec, ntpFrac), rtp: rtpTs });
    });
  }

  /** Listens to the reports of a producer for as long as it lives. */
  static async watch(producer: types.Producer): Promise<SenderReports> {
    const reports = new SenderReports(producer);
    await producer.enableTraceEvent(['sr']);
    return reports;
  }

  /** The latest report of a simulcast layer (0 where there is one only), if one came. */
  ofLayer(layer: number): ProducerReport | undefined {
    // Browsers name simulcast layers by RID; which SSRC each has is only seen in what arrives.
    const seen = this.#producer.score.find(({ encodingIdx }) => encodingIdx === layer);
    const ssrc = this.#producer.rtpParameters.encodings?.[layer]?.ssrc ?? seen?.ssrc;
    return ssrc === undefined ? undefined : this.#bySsrc.get(ssrc);
  }
}
