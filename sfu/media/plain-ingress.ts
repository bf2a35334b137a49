// Plain RTP from the gateway into a room: what somebody publishes by RTMP, WebCodecs or a pulled stream.
// One port takes RTP and RTCP (RFC 5761) from whatever address the first packet has, so the gateway need
// not say where it sends from.
import type { types } from 'mediasoup';
import { LecternError } from '#shared/contract/errors.ts';
import type { EncoderTrack } from '#shared/contract/internal.ts';
import type { PlainIngress } from '../room/ports.ts';
import { FEEDBACK, H264 } from './codecs.ts';
import { addressTowards } from './listen.ts';
import { KEY_FRAME_DELAY_MS } from './peer-media.ts';
import { refusing } from './refusal.ts';

/** Opens an entrance to `router` for a gateway at `ingestIp`; `onProducer` is told before anyone else. */
export async function openPlainIngress(
  router: types.Router,
  ingestIp: string,
  onProducer: (producer: types.Producer) => Promise<void>,
): Promise<PlainIngress> {
  const listenInfo = { protocol: 'udp', ip: addressTowards(ingestIp) } as const;
  const transport = await refusing(() =>
    router.createPlainTransport({ listenInfo, rtcpMux: true, comedia: true }),
  );
  const producers = new Map<string, types.Producer>();
  return {
    to: { ip: transport.tuple.localAddress, port: transport.tuple.localPort },
    received: () => receivedBytes(transport),
    async produce(track) {
      const producer = await refusing(() =>
        transport.produce({
          kind: track.kind,
          rtpParameters: parametersOf(track, `encoder-${transport.id}`),
          ...(track.kind === 'video' ? { keyFrameRequestDelay: KEY_FRAME_DELAY_MS } : {}),
        }),
      );
      producers.set(producer.id, producer);
      producer.observer.once('close', () => producers.delete(producer.id));
      await refusing(() => onProducer(producer));
      return producer.id;
    },
    async setProducerPaused(producerId, paused) {
      const producer = producers.get(producerId);
      if (producer === undefined) throw new LecternError('not-found');
      await refusing(() => (paused ? producer.pause() : producer.resume()));
    },
    closeProducer: (producerId) => producers.get(producerId)?.close(),
    close: () => transport.close(),
  };
}

/** Bytes of RTP that came by this transport. Throws LecternError `service-unavailable` once it is gone. */
export async function receivedBytes(
  transport: types.PlainTransport | types.WebRtcTransport,
): Promise<number> {
  const [stats] = await refusing<types.BaseTransportStats[]>(() => transport.getStats());
  return stats?.rtpBytesReceived ?? 0;
}

/**
 * H.264 is stated as constrained baseline whatever its profile is: the room has that one codec, and what
 * decodes one profile here decodes those that encoders use. B-frames never come this far.
 */
function parametersOf(
  { kind, ssrc, payloadType, clockRate, channels }: EncoderTrack,
  cname: string,
): types.RtpParameters {
  const codec =
    kind === 'video'
      ? {
          ...H264,
          payloadType,
          clockRate,
          rtcpFeedback: FEEDBACK.filter(({ type }) => type !== 'transport-cc'),
        }
      : { mimeType: 'audio/opus', payloadType, clockRate, channels: channels ?? 2 };
  return {
    codecs: [codec],
    encodings: [{ ssrc }],
    // One name for both: by it receivers put sound and picture together.
    rtcp: { cname },
  };
}
