// The programme as plain RTP to the gateway: one plain transport for each broadcast.
//
// Each producer goes through a pipe consumer. It forwards every simulcast layer under an SSRC of its
// own with the sender's RTP timestamps, never switches layers and never touches the clock; an ordinary
// consumer pinned to a layer would fall back to lower ones while its own is missing, and shift its
// timestamps at each switch. A PLI for any layer asks all of them for a key frame together.
import type { types } from 'mediasoup';
import type { FeedTrack } from '#shared/contract/internal.ts';
import type { FeedMedia, FeedSource } from '../room/ports.ts';
import { ABS_CAPTURE_TIME, feedCapabilities } from './codecs.ts';
import { addressTowards } from './listen.ts';
import { isGone, refusing } from './refusal.ts';
import type { SenderReports } from './sender-reports.ts';

const CODECS: Readonly<Record<string, FeedTrack['codec']>> = {
  'video/h264': 'h264',
  'video/vp8': 'vp8',
  'audio/opus': 'opus',
};

interface Forwarded {
  readonly source: FeedSource;
  readonly consumer: types.Consumer;
}

/** Where the feed finds the clocks of the room's producers, by producer id. */
export type ReportsOf = (producerId: string) => SenderReports | undefined;

/** Opens the feed of a room towards a gateway at `ingestIp`. */
export async function openFeed(
  router: types.Router,
  ingestIp: string,
  reportsOf: ReportsOf,
): Promise<FeedMedia> {
  const ip = addressTowards(ingestIp);
  const transport = await refusing(() =>
    router.createPlainTransport({ listenInfo: { protocol: 'udp', ip }, rtcpMux: true, comedia: false }),
  );
  return new PlainFeed(router, transport, reportsOf);
}

class PlainFeed implements FeedMedia {
  readonly from: { ip: string; port: number };
  readonly #capabilities: types.RtpCapabilities;
  readonly #transport: types.PlainTransport;
  readonly #reportsOf: ReportsOf;
  /** By producer id. */
  readonly #forwarded = new Map<string, Forwarded>();
  #to: { ip: string; port: number } | null = null;

  constructor(router: types.Router, transport: types.PlainTransport, reportsOf: ReportsOf) {
    this.#capabilities = feedCapabilities(router.rtpCapabilities);
    this.#transport = transport;
    this.#reportsOf = reportsOf;
    this.from = { ip: transport.tuple.localAddress, port: transport.tuple.localPort };
  }

  get flowing(): string[] {
    return [...this.#forwarded].flatMap(([id, { consumer }]) => (consumer.paused ? [] : [id]));
  }

  async select(sources: readonly FeedSource[]): Promise<FeedTrack[]> {
    for (const [producerId, { consumer }] of this.#forwarded) {
      if (!sources.some((source) => source.producerId === producerId)) consumer.close();
    }
    for (const source of sources) {
      if (!this.#forwarded.has(source.producerId)) await this.#forward(source);
    }
    return sources.flatMap(({ producerId, paused = false }) => {
      const forwarded = this.#forwarded.get(producerId);
      if (forwarded === undefined) return [];
      return tracksOf(forwarded, paused, this.#reportsOf(producerId));
    });
  }

  async flow(to: { ip: string; port: number }): Promise<boolean> {
    if (this.#to === null) {
      this.#to = to;
      await refusing(() => this.#transport.connect(to));
    }
    if (this.#to.ip !== to.ip || this.#to.port !== to.port) return false;
    for (const { consumer } of this.#forwarded.values()) {
      // Resuming asks for a key frame of each layer, and holds back what comes before it.
      if (consumer.paused) await refusing(() => consumer.resume());
    }
    return true;
  }

  close(): void {
    this.#transport.close();
  }

  async #forward(source: FeedSource): Promise<void> {
    const { producerId } = source;
    let consumer: types.Consumer;
    try {
      consumer = await this.#transport.consume({
        producerId,
        rtpCapabilities: this.#capabilities,
        paused: true,
        pipe: true,
      });
    } catch (error) {
      // It closed meanwhile: the next programme is without it. All else is for the caller.
      if (isGone(error) && !this.#transport.closed) return;
      throw error;
    }
    this.#forwarded.set(producerId, { source, consumer });
    consumer.observer.once('close', () => this.#forwarded.delete(producerId));
  }
}

function tracksOf(
  { source, consumer }: Forwarded,
  paused: boolean,
  reports: SenderReports | undefined,
): FeedTrack[] {
  const { codecs, encodings = [], headerExtensions = [] } = consumer.rtpParameters;
  const codec = codecs[0];
  const name = CODECS[codec?.mimeType.toLowerCase() ?? ''];
  if (codec === undefined || name === undefined) return [];
  const clock = headerExtensions.find(({ uri }) => uri === ABS_CAPTURE_TIME);
  return encodings.flatMap(({ ssrc }, layer) => {
    if (ssrc === undefined) return [];
    const report = reports?.ofLayer(layer);
    return {
      id: `${source.producerId}:${layer}`,
      kind: consumer.kind,
      source: source.source,
      codec: name,
      ssrc,
      payloadType: codec.payloadType,
      clockRate: codec.clockRate,
      ...(codec.channels === undefined ? {} : { channels: codec.channels }),
      layer,
      ...(paused ? { paused } : {}),
      ...(clock === undefined ? {} : { absCaptureTimeId: clock.id }),
      ...(report === undefined ? {} : { senderReport: report }),
    };
  });
}
