// mediasoup's structures as the plain JSON that the contract carries.
import type { types } from 'mediasoup';
import type { Media, TransportView } from '#shared/contract/features/media.ts';

/** A copy without undefined fields or anything that is not JSON. */
export function asMedia(value: object): Media {
  return JSON.parse(JSON.stringify(value)) as Media;
}

export function transportView(transport: types.WebRtcTransport): TransportView {
  return {
    id: transport.id,
    iceParameters: asMedia(transport.iceParameters),
    iceCandidates: transport.iceCandidates.map(asMedia),
    dtlsParameters: asMedia(transport.dtlsParameters),
  };
}
