// The programme for viewers whose players number the codecs alike. A player says in its offer under which
// payload types it takes H.264 and Opus, and mediasoup numbers them once for each router; so viewers share
// a router by these numbers, and all of one browser's version number them alike.
import { randomInt } from 'node:crypto';
import type { types } from 'mediasoup';
import { LecternError } from '#shared/contract/errors.ts';
import { readFeedback, writeSenderReport } from '#shared/media/rtcp.ts';
import type { RtpPacket } from '#shared/media/rtp.ts';
import type { IceAnswer, WhepViewer } from '../../room/ports.ts';
import { writeAnswer, type AcceptedSection } from '../../sdp/answer.ts';
import type { Offer, OfferedCodec, OfferedSection } from '../../sdp/offer.ts';
import { usableCodec } from '../../sdp/offer.ts';
import { connectTo, endOf, openClientTransport, restartIce, sessionIdOf } from '../client-transport.ts';
import { H264 } from '../codecs.ts';
import { refusing, refusingOffer } from '../refusal.ts';
import { Splice } from './splice.ts';

const REPORT_MS = 1_000;
/** One name: lips and voice are played together. */
const CNAME = 'programme';
const FEEDBACK: types.RtcpFeedback[] = [
  { type: 'nack' },
  { type: 'nack', parameter: 'pli' },
  { type: 'ccm', parameter: 'fir' },
];

export type VideoCodec = 'h264' | 'vp8';
export type Kind = 'audio' | 'video';

/** What a viewer takes of the programme, and under which numbers. */
export interface EgressFormat {
  readonly codec: VideoCodec;
  readonly video: { readonly section: OfferedSection; readonly codec: OfferedCodec } | undefined;
  readonly audio: { readonly section: OfferedSection; readonly codec: OfferedCodec } | undefined;
}

/** Finds out what an offer takes. Throws LecternError `not-acceptable` if that is nothing. */
export function formatOf(offer: Offer, codec: VideoCodec): EgressFormat {
  const find = (kind: Kind) => {
    for (const section of offer.sections) {
      if (section.kind !== kind || !section.usable) continue;
      if (section.direction !== 'recvonly' && section.direction !== 'sendrecv') continue;
      const usable = usableCodec(section, kind === 'video' ? codec : undefined);
      if (usable !== undefined) return { section, codec: usable };
    }
    return undefined;
  };
  const format = { codec, video: find('video'), audio: find('audio') };
  if (format.video === undefined && format.audio === undefined) {
    throw new LecternError(
      'not-acceptable',
      `Offer to receive ${codec === 'h264' ? 'H.264 (packetization-mode 1)' : 'VP8'}, or Opus.`,
    );
  }
  return format;
}

/** Viewers with equal keys share an egress. */
export const keyOf = ({ codec, video, audio }: EgressFormat): string =>
  [codec, video?.codec.payloadType ?? '', audio?.codec.payloadType ?? ''].join('/');

interface Output {
  readonly producer: types.Producer;
  readonly splice: Splice;
  readonly ssrc: number;
  readonly payloadType: number;
}

export interface EgressOptions {
  readonly worker: types.Worker;
  readonly server: types.WebRtcServer;
  readonly format: EgressFormat;
  /** A viewer needs a key frame. */
  readonly onKeyFrameWanted: () => void;
}

export class EgressTransport {
  readonly key: string;
  readonly codec: VideoCodec;
  readonly #router: types.Router;
  readonly #server: types.WebRtcServer;
  readonly #transport: types.DirectTransport;
  readonly #outputs: Readonly<Partial<Record<Kind, Output>>>;
  readonly #timer: NodeJS.Timeout;
  readonly #viewers = new Set<types.WebRtcTransport>();

  private constructor(
    options: EgressOptions,
    router: types.Router,
    transport: types.DirectTransport,
    outputs: Readonly<Partial<Record<Kind, Output>>>,
  ) {
    this.key = keyOf(options.format);
    this.codec = options.format.codec;
    this.#router = router;
    this.#server = options.server;
    this.#transport = transport;
    this.#outputs = outputs;
    transport.on('rtcp', (packet) => {
      const { video } = outputs;
      if (video !== undefined && readFeedback(packet, video.ssrc).keyframe) options.onKeyFrameWanted();
    });
    this.#timer = setInterval(() => this.#report(), REPORT_MS);
    router.observer.once('close', () => clearInterval(this.#timer));
  }

  /** Opens it for viewers with formats like this one. Throws LecternError `service-unavailable`. */
  static async open(options: EgressOptions): Promise<EgressTransport> {
    const { format, worker } = options;
    const mediaCodecs = codecsOf(format);
    const router = await refusingOffer(() => worker.createRouter({ mediaCodecs }));
    try {
      const transport = await refusing(() => router.createDirectTransport());
      const outputs: Partial<Record<Kind, Output>> = {};
      for (const codec of mediaCodecs) outputs[codec.kind] = await openOutput(transport, codec);
      return new EgressTransport(options, router, transport, outputs);
    } catch (error) {
      router.close();
      throw error;
    }
  }

  get size(): number {
    return this.#viewers.size;
  }

  /** True while somebody watches, and not only means to. */
  get isWatched(): boolean {
    return [...this.#viewers].some(isConnected);
  }

  /** A packet of the programme; `source` is whose it is. */
  sendPacket(kind: Kind, source: unknown, packet: RtpPacket, nowMs: number): void {
    const output = this.#outputs[kind];
    if (output === undefined || output.producer.closed) return;
    const spliced = output.splice.rewritePacket(source, packet, output.payloadType, nowMs);
    if (spliced !== null) output.producer.send(spliced);
  }

  /** Lets a viewer in. `onGone` is called once when it is over. */
  async watch(offer: Offer, format: EgressFormat, onGone: () => void): Promise<WhepViewer> {
    const transport: types.WebRtcTransport = await openClientTransport(this.#router, this.#server, () => {
      this.#viewers.delete(transport);
      onGone();
    });
    this.#viewers.add(transport);
    try {
      const accepted: AcceptedSection[] = [];
      // In the order of the offer: the first carries the transport.
      for (const { mid } of offer.sections) {
        for (const kind of ['audio', 'video'] as const) {
          const wanted = format[kind];
          const output = this.#outputs[kind];
          if (wanted?.section.mid !== mid || output === undefined) continue;
          accepted.push(await this.#consume(transport, kind, wanted, output));
        }
      }
      await connectTo(transport, offer);
      return {
        answer: writeAnswer(offer, sessionIdOf(transport), endOf(transport), accepted),
        restartIce: (): Promise<IceAnswer> => restartIce(transport, accepted),
        get connected() {
          return isConnected(transport);
        },
        close: () => transport.close(),
      };
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  close(): void {
    // Closing the router alone would tell no transport's owner.
    for (const transport of [...this.#viewers]) transport.close();
    this.#router.close();
  }

  async #consume(
    transport: types.WebRtcTransport,
    kind: Kind,
    { section, codec }: NonNullable<EgressFormat[Kind]>,
    { producer }: Output,
  ): Promise<AcceptedSection> {
    const capability = this.#router.rtpCapabilities.codecs?.find((one) => one.kind === kind);
    if (capability === undefined) throw new LecternError('internal-error');
    const rtcpFeedback = kind === 'video' ? FEEDBACK : [];
    const consumer = await refusingOffer(() =>
      transport.consume({
        producerId: producer.id,
        rtpCapabilities: { codecs: [{ ...capability, rtcpFeedback }], headerExtensions: [] },
      }),
    );
    return {
      mid: section.mid,
      direction: 'sendonly',
      codecs: [codec],
      feedback: rtcpFeedback,
      // A browser numbers them, and so does mediasoup: they do not meet.
      extensions: [],
      sends: {
        ssrc: consumer.rtpParameters.encodings?.[0]?.ssrc ?? 0,
        cname: CNAME,
        stream: CNAME,
        track: kind,
      },
    };
  }

  /** Sender reports tie sound and picture to one clock. */
  #report(): void {
    if (this.#transport.closed) return;
    for (const { splice, ssrc } of Object.values(this.#outputs)) {
      const report = splice.report();
      if (report === undefined) continue;
      const { wallMs: ntpMs, timestamp: rtpTimestamp } = report;
      // mediasoup takes the clock from it and counts by itself.
      const sent = writeSenderReport({ ssrc, ntpMs, rtpTimestamp, packets: 0, bytes: 0 }, CNAME);
      this.#transport.sendRtcp(Buffer.from(sent));
    }
  }
}

const isConnected = ({ dtlsState }: types.WebRtcTransport): boolean => dtlsState === 'connected';

function codecsOf({
  codec,
  video,
  audio,
}: EgressFormat): (types.RouterRtpCodecCapability & { kind: Kind })[] {
  return [
    ...(audio === undefined
      ? []
      : [
          {
            kind: 'audio' as const,
            mimeType: 'audio/opus',
            clockRate: 48_000,
            channels: 2,
            preferredPayloadType: audio.codec.payloadType,
          },
        ]),
    ...(video === undefined
      ? []
      : [
          {
            kind: 'video' as const,
            ...(codec === 'h264' ? H264 : { mimeType: 'video/VP8' }),
            clockRate: 90_000,
            preferredPayloadType: video.codec.payloadType,
            rtcpFeedback: FEEDBACK,
          },
        ]),
  ];
}

async function openOutput(
  transport: types.DirectTransport,
  codec: types.RouterRtpCodecCapability & { kind: Kind },
): Promise<Output> {
  const { kind, mimeType, clockRate, channels, parameters, preferredPayloadType: payloadType = 0 } = codec;
  const ssrc = randomInt(1, 2 ** 32 - 1);
  const producer = await refusing(() =>
    transport.produce({
      kind,
      rtpParameters: {
        codecs: [
          {
            mimeType,
            payloadType,
            clockRate,
            ...(channels === undefined ? {} : { channels }),
            ...(parameters === undefined ? {} : { parameters }),
            // What was lost before the SFU nobody has.
            rtcpFeedback: kind === 'video' ? FEEDBACK.filter(({ parameter }) => parameter !== undefined) : [],
          },
        ],
        encodings: [{ ssrc }],
        rtcp: { cname: CNAME },
      },
    }),
  );
  const splice = new Splice({ ssrc, clockRate, sequence: randomInt(2 ** 15), timestamp: randomInt(2 ** 31) });
  return { producer, splice, ssrc, payloadType };
}
