// The WebRTC transport of a WHIP or WHEP client, whose offer says all at once what a browser in the room
// says step by step.
import type { types } from 'mediasoup';
import type { IceAnswer } from '../room/ports.ts';
import type { AcceptedSection, IceCandidate, TransportEnd } from '../sdp/answer.ts';
import type { Offer } from '../sdp/offer.ts';
import { refusing, refusingOffer } from './refusal.ts';

/** A client that did not connect by then will not; one that shows no consent (RFC 7675) for as long is gone. */
const CONNECT_LIMIT_S = 15;

/** Opens it. It closes by itself when the connection is over; `onGone` is called once when it is closed. */
export async function openClientTransport(
  router: types.Router,
  server: types.WebRtcServer,
  onGone: () => void,
): Promise<types.WebRtcTransport> {
  const transport = await refusing(() =>
    router.createWebRtcTransport({
      webRtcServer: server,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      iceConsentTimeout: CONNECT_LIMIT_S,
    }),
  );
  const limit = setTimeout(() => transport.close(), CONNECT_LIMIT_S * 1_000);
  transport.observer.once('close', () => {
    clearTimeout(limit);
    onGone();
  });
  transport.on('dtlsstatechange', (state) => {
    if (state === 'connected') clearTimeout(limit);
    if (state === 'closed' || state === 'failed') transport.close();
  });
  transport.on('icestatechange', (state) => {
    if (state === 'disconnected') transport.close();
  });
  return transport;
}

/** Takes over the client's DTLS parameters. Its ICE credentials are not needed by an ICE-lite server. */
export async function connectTo(
  transport: types.WebRtcTransport,
  { fingerprint, dtls }: Offer,
): Promise<void> {
  const { algorithm, value } = fingerprint;
  const role = dtls === 'client opens' ? 'client' : 'server';
  const fingerprints = [{ algorithm: algorithm as types.FingerprintAlgorithm, value }];
  await refusingOffer(() => transport.connect({ dtlsParameters: { role, fingerprints } }));
}

/** Our end, for an answer. */
export function endOf(transport: types.WebRtcTransport): TransportEnd {
  const { iceParameters, dtlsParameters } = transport;
  const { fingerprints } = dtlsParameters;
  const fingerprint = fingerprints.find(({ algorithm }) => algorithm === 'sha-256') ?? fingerprints[0];
  return {
    ice: { ufrag: iceParameters.usernameFragment, pwd: iceParameters.password },
    candidates: candidatesOf(transport),
    fingerprint: { algorithm: fingerprint?.algorithm ?? '', value: fingerprint?.value ?? '' },
  };
}

/** New credentials (RFC 8445 §2.4); the candidates stay. */
export async function restartIce(
  transport: types.WebRtcTransport,
  accepted: readonly AcceptedSection[],
): Promise<IceAnswer> {
  const { usernameFragment, password } = await refusing(() => transport.restartIce());
  return {
    ice: { ufrag: usernameFragment, pwd: password },
    candidates: candidatesOf(transport),
    mid: accepted[0]?.mid ?? '0',
  };
}

/** A number for the answer's origin line (RFC 8866 §5.2), from the transport's random id. */
export const sessionIdOf = (transport: types.WebRtcTransport): string =>
  String(Number.parseInt(transport.id.replace(/-/g, '').slice(0, 12), 16));

function candidatesOf({ iceCandidates }: types.WebRtcTransport): IceCandidate[] {
  return iceCandidates.map(({ foundation, priority, address, port, protocol, tcpType }) => ({
    foundation,
    component: 1,
    transport: protocol,
    priority,
    ip: address,
    port,
    type: 'host',
    ...(tcpType === undefined ? {} : { tcptype: tcpType }),
  }));
}
