// A WHIP client's media into a room: its offer becomes a WebRTC transport with a producer for each section
// that the room can use, and an answer.
import type { types } from 'mediasoup';
import { LecternError } from '#shared/contract/errors.ts';
import type { IceAnswer, WhipIngress } from '../room/ports.ts';
import { writeAnswer, type AcceptedSection } from '../sdp/answer.ts';
import { rtxOf, usableCodec, type Offer, type OfferedCodec, type OfferedSection } from '../sdp/offer.ts';
import { H264 } from './codecs.ts';
import { connectTo, endOf, openClientTransport, restartIce, sessionIdOf } from './client-transport.ts';
import { KEY_FRAME_DELAY_MS } from './peer-media.ts';
import { receivedBytes } from './plain-ingress.ts';
import { refusing, refusingOffer } from './refusal.ts';

/** The most that one encoder may send. */
const MAX_INCOMING_BPS = 30_000_000;

export interface WhipIngressOptions {
  readonly router: types.Router;
  readonly server: types.WebRtcServer;
  readonly offer: Offer;
  readonly onProducer: (producer: types.Producer) => Promise<void>;
  /** Called once when it is closed, by whomever. */
  readonly onGone: () => void;
}

interface Wanted {
  readonly section: OfferedSection;
  readonly kind: 'audio' | 'video';
  readonly codec: OfferedCodec;
}

/** Throws LecternError `not-acceptable` if the room can use nothing of the offer. */
export async function openWhipIngress(options: WhipIngressOptions): Promise<WhipIngress> {
  const { router, server, offer, onProducer, onGone } = options;
  const wanted = (['audio', 'video'] as const)
    .flatMap((kind) => firstOf(offer, kind))
    .sort((a, b) => offer.sections.indexOf(a.section) - offer.sections.indexOf(b.section));
  if (wanted.length === 0) {
    throw new LecternError('not-acceptable', 'Offer H.264 (packetization-mode 1) or VP8, or Opus, to send.');
  }
  const transport = await openClientTransport(router, server, onGone);
  try {
    await refusing(() => transport.setMaxIncomingBitrate(MAX_INCOMING_BPS));
    const producers = new Map<string, types.Producer>();
    const accepted: AcceptedSection[] = [];
    for (const one of wanted) {
      const answer = acceptedSection(one, router.rtpCapabilities);
      const producer = await refusingOffer(() =>
        transport.produce({
          kind: one.kind,
          rtpParameters: parametersOf(one, answer),
          ...(one.kind === 'video' ? { keyFrameRequestDelay: KEY_FRAME_DELAY_MS } : {}),
        }),
      );
      producers.set(producer.id, producer);
      producer.observer.once('close', () => producers.delete(producer.id));
      await refusing(() => onProducer(producer));
      accepted.push(answer);
    }
    await connectTo(transport, offer);
    return {
      answer: writeAnswer(offer, sessionIdOf(transport), endOf(transport), accepted),
      producers: [...producers.values()].map(({ id, kind }) => ({ id, kind })),
      received: () => receivedBytes(transport),
      restartIce: (): Promise<IceAnswer> => restartIce(transport, accepted),
      async setProducerPaused(producerId, paused) {
        const producer = producers.get(producerId);
        if (producer === undefined) throw new LecternError('not-found');
        await refusing(() => (paused ? producer.pause() : producer.resume()));
      },
      closeProducer: (producerId) => producers.get(producerId)?.close(),
      close: () => transport.close(),
    };
  } catch (error) {
    transport.close();
    throw error;
  }
}

/** The room takes one picture and one sound of an encoder; more sections of a kind are rejected. */
function firstOf(offer: Offer, kind: 'audio' | 'video'): Wanted[] {
  for (const section of offer.sections) {
    if (section.kind !== kind || !section.usable) continue;
    if (section.direction !== 'sendonly' && section.direction !== 'sendrecv') continue;
    const codec = usableCodec(section);
    if (codec !== undefined) return [{ section, kind, codec }];
  }
  return [];
}

function acceptedSection({ section, kind, codec }: Wanted, room: types.RtpCapabilities): AcceptedSection {
  const rtx = rtxOf(section, codec.payloadType);
  const known = new Set(
    (room.headerExtensions ?? [])
      .filter((extension) => extension.kind === kind && extension.direction !== 'sendonly')
      .map<string>(({ uri }) => uri),
  );
  const feedback = (room.codecs ?? []).find(({ mimeType }) => mimeType.toLowerCase() === mimeOf(kind, codec));
  const extensions = section.extensions.filter(({ uri }) => known.has(uri));
  return {
    mid: section.mid,
    direction: 'recvonly',
    codecs: rtx === undefined ? [codec] : [codec, rtx],
    // Without its header extension there is nothing that transport-cc could report on.
    feedback: (feedback?.rtcpFeedback ?? []).filter(
      ({ type }) =>
        type !== 'transport-cc' || extensions.some(({ uri }) => uri.includes('transport-wide-cc')),
    ),
    extensions,
    rids: section.rids.length > 1 ? section.rids.slice(0, 3) : [],
  };
}

const mimeOf = (kind: string, { name }: OfferedCodec) => `${kind}/${name}`;

function parametersOf({ section, kind, codec }: Wanted, accepted: AcceptedSection): types.RtpParameters {
  const { payloadType, clockRate, channels, name } = codec;
  const [, rtx] = accepted.codecs;
  const parameters = kind === 'audio' ? { useinbandfec: 1 } : name === 'h264' ? H264.parameters : {};
  const { rids = [] } = accepted;
  const encodings: types.RtpEncodingParameters[] =
    rids.length > 0
      ? rids.map((rid) => ({ rid }))
      : section.ssrc === undefined
        ? // Found by the MID in its packets (RFC 8843 §9.2).
          [{}]
        : [
            {
              ssrc: section.ssrc.media,
              ...(section.ssrc.rtx === undefined || rtx === undefined
                ? {}
                : { rtx: { ssrc: section.ssrc.rtx } }),
            },
          ];
  return {
    mid: section.mid,
    codecs: [
      {
        mimeType: mimeOf(kind, codec),
        payloadType,
        clockRate,
        ...(kind === 'audio' ? { channels } : {}),
        parameters,
        rtcpFeedback: accepted.feedback.map(({ type, parameter }) => ({ type, parameter: parameter ?? '' })),
      },
      ...(rtx === undefined
        ? []
        : [
            {
              mimeType: `${kind}/rtx` as const,
              payloadType: rtx.payloadType,
              clockRate,
              parameters: { apt: payloadType },
              rtcpFeedback: [],
            },
          ]),
    ],
    headerExtensions: accepted.extensions.map(({ uri, id }) => ({ uri, id })),
    encodings,
    rtcp: { reducedSize: true },
  } as types.RtpParameters;
}
