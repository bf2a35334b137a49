// Writes the SDP answer (RFC 9429) to a WHIP or WHEP client, section by section as it was offered. Pure.
import { write, type MediaDescription } from 'sdp-transform';
import type { IceCredentials, Offer, OfferedCodec, OfferedSection } from './offer.ts';

/** A host candidate as RFC 8839 §5.1 writes it. */
export interface IceCandidate {
  readonly foundation: string;
  readonly component: number;
  readonly transport: 'udp' | 'tcp';
  readonly priority: number;
  readonly ip: string;
  readonly port: number;
  readonly type: 'host';
  readonly tcptype?: string;
}

/** The server's end of the transport. */
export interface TransportEnd {
  readonly ice: IceCredentials;
  readonly candidates: readonly IceCandidate[];
  readonly fingerprint: { readonly algorithm: string; readonly value: string };
}

/** What becomes of one offered section. */
export interface AcceptedSection {
  readonly mid: string;
  readonly direction: 'recvonly' | 'sendonly';
  readonly codecs: readonly OfferedCodec[];
  readonly feedback: readonly { readonly type: string; readonly parameter?: string | undefined }[];
  readonly extensions: readonly { readonly id: number; readonly uri: string }[];
  /** Simulcast layers to receive. */
  readonly rids?: readonly string[];
  /** What is sent: under which SSRC, and as part of which stream. */
  readonly sends?: {
    readonly ssrc: number;
    readonly cname: string;
    readonly stream: string;
    readonly track: string;
  };
}

/** Writes the answer; sections that are not among `accepted` are rejected (port 0). */
export function writeAnswer(
  offer: Offer,
  sessionId: string,
  end: TransportEnd,
  accepted: readonly AcceptedSection[],
): string {
  const setup = offer.dtls === 'client opens' ? 'passive' : 'active';
  return write({
    ...sessionLines(sessionId),
    icelite: 'ice-lite',
    groups: [{ type: 'BUNDLE', mids: accepted.map(({ mid }) => mid).join(' ') }],
    msidSemantic: { semantic: 'WMS', token: '*' },
    media: offer.sections.map((section) => {
      const answer = accepted.find(({ mid }) => mid === section.mid);
      if (answer === undefined) return rejected(section);
      // The candidates stand in the section that carries the transport (RFC 9143 §7.3); GStreamer takes
      // those of another one for a transport of their own.
      const candidates = answer === accepted[0] ? end.candidates : [];
      return answered(section, answer, { ...end, candidates }, setup);
    }),
  });
}

/** What every description begins with (RFC 9429 §5.3.1). */
export const sessionLines = (sessionId: string) => ({
  version: 0,
  origin: { username: '-', sessionId, sessionVersion: 1, netType: 'IN', ipVer: 4, address: '127.0.0.1' },
  name: '-',
  timing: { start: 0, stop: 0 },
});

function rejected({ mid, kind, protocol, payloads }: OfferedSection): MediaDescription {
  return {
    type: kind,
    port: 0,
    protocol,
    payloads,
    rtp: [],
    fmtp: [],
    connection: { version: 4, ip: '0.0.0.0' },
    mid,
    direction: 'inactive',
  };
}

function answered(
  { mid, kind, protocol }: OfferedSection,
  { direction, codecs, feedback, extensions, rids = [], sends }: AcceptedSection,
  { ice, candidates, fingerprint }: TransportEnd,
  setup: 'passive' | 'active',
): MediaDescription {
  const [main] = codecs;
  return {
    type: kind,
    port: 9,
    protocol,
    payloads: codecs.map(({ payloadType }) => payloadType).join(' '),
    connection: { version: 4, ip: '0.0.0.0' },
    mid,
    direction,
    iceUfrag: ice.ufrag,
    icePwd: ice.pwd,
    ...(candidates.length === 0 ? {} : { candidates: [...candidates], endOfCandidates: 'end-of-candidates' }),
    fingerprint: { type: fingerprint.algorithm, hash: fingerprint.value },
    setup,
    rtcpMux: 'rtcp-mux',
    rtcpRsize: 'rtcp-rsize',
    rtp: codecs.map(({ payloadType, name, clockRate, channels }) => ({
      payload: payloadType,
      codec: WRITTEN[name] ?? name,
      rate: clockRate,
      ...(channels > 1 ? { encoding: channels } : {}),
    })),
    fmtp: codecs.flatMap(({ payloadType, fmtp }) =>
      fmtp === '' ? [] : [{ payload: payloadType, config: fmtp }],
    ),
    rtcpFb:
      main === undefined
        ? []
        : feedback.map(({ type, parameter }) => ({
            payload: main.payloadType,
            type,
            ...(parameter === undefined || parameter === '' ? {} : { subtype: parameter }),
          })),
    ext: extensions.map(({ id, uri }) => ({ value: id, uri })),
    ...(rids.length === 0
      ? {}
      : {
          rids: rids.map((id) => ({ id, direction: 'recv' })),
          simulcast: { dir1: 'recv', list1: rids.join(';') },
        }),
    ...(sends === undefined
      ? {}
      : {
          msid: [{ id: sends.stream, appdata: sends.track }],
          ssrcs: [
            { id: sends.ssrc, attribute: 'cname', value: sends.cname },
            { id: sends.ssrc, attribute: 'msid', value: `${sends.stream} ${sends.track}` },
          ],
        }),
  };
}

/** Names as their specifications write them; receivers compare without case, people read them. */
const WRITTEN: Readonly<Record<string, string>> = { h264: 'H264', vp8: 'VP8' };
