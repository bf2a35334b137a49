// The body of a PATCH: an SDP fragment with ICE credentials and candidates (RFC 8840 §9). Pure.
import { write } from 'sdp-transform';
import { z } from 'zod';
import { readSdp, type IceCredentials } from './offer.ts';
import { sessionLines, type IceCandidate } from './answer.ts';

export const MAX_FRAGMENT_BYTES = 16 * 1024;

const Text = z.union([z.string().max(256), z.number().transform(String)]);
const Part = { iceUfrag: Text.optional(), icePwd: Text.optional() };
const Fragment = z.object({ ...Part, media: z.array(z.object(Part)).max(16) });

/**
 * Reads a fragment: the credentials that it names, if it does. What it says of candidates is not needed:
 * an ICE-lite server (RFC 8445 §2.5) answers the checks of the client, wherever they come from.
 * Throws LecternError `bad-request`.
 */
export function readFragment(text: string): Partial<IceCredentials> {
  const fragment = readSdp(text, Fragment);
  const parts = [fragment, ...fragment.media];
  const ufrag = parts.find(({ iceUfrag }) => iceUfrag !== undefined)?.iceUfrag;
  const pwd = parts.find(({ icePwd }) => icePwd !== undefined)?.icePwd;
  return { ...(ufrag === undefined ? {} : { ufrag }), ...(pwd === undefined ? {} : { pwd }) };
}

/** The fragment that answers an ICE restart. */
export function writeFragment(ice: IceCredentials, mid: string, candidates: readonly IceCandidate[]): string {
  const sdp = write({
    ...sessionLines('0'),
    icelite: 'ice-lite',
    iceUfrag: ice.ufrag,
    icePwd: ice.pwd,
    media: [
      {
        type: 'audio',
        port: 9,
        protocol: 'UDP/TLS/RTP/SAVPF',
        payloads: '0',
        rtp: [],
        fmtp: [],
        mid,
        candidates: [...candidates],
        endOfCandidates: 'end-of-candidates',
      },
    ],
  });
  // A fragment has no session lines of its own (RFC 8840 §9).
  return sdp.replace(/^(v|o|s|t|c)=.*\r\n/gm, '');
}
