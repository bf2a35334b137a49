// The address must carry a good signature: HMAC-SHA256 (shared/contract/playback.ts), or, where a key is
// shared with a CDN, one of the two MD5 forms that CDNs check (cdn-sign.ts).
import { opensFiles } from '#shared/contract/shares.ts';
import { readPlayback, type SignCheck } from '#server/playback-sign.ts';
import { checkCdnSign } from '../cdn-sign.ts';
import type { AccessRequest, AccessRule, Outcome } from '../decide.ts';

/** A recording, or a piece of it, as one file. */
const FILE = /^\/replay\/[a-z0-9]+(\/piece-\d+)?\.(mp4|flv)$/;

const REASONS = {
  'signature-missing': 'no-signature',
  'signature-invalid': 'wrong-signature',
  'signature-expired': 'expired',
} as const;

/** `secret` signs addresses; `cdnKey` is LECTERN_CDN_KEY, if it is set. */
export function signedAddress(secret: string, cdnKey?: string): AccessRule {
  return {
    name: 'tokens',
    action: 'play',
    judge(request, channel) {
      if (!channel.access.tokens.required) return null;
      const found = check(secret, cdnKey, request);
      if (typeof found === 'string') return { allow: false, code: found, reason: REASONS[found] };
      const { epoch, viewer } = found;
      if (!opensFiles(viewer) && FILE.test(request.path ?? '')) {
        return { allow: false, code: 'forbidden', reason: 'wrong-signature' } satisfies Outcome;
      }
      if (epoch < channel.epoch || (viewer !== undefined && channel.endedViewers.includes(viewer))) {
        return { allow: false, code: 'signature-invalid', reason: 'revoked' } satisfies Outcome;
      }
      return { allow: true, untilMs: found.expires * 1_000 };
    },
  };
}

function check(secret: string, cdnKey: string | undefined, request: AccessRequest): SignCheck {
  const { action, resource, query, nowMs } = request;
  if (!query.has('sign') && cdnKey !== undefined && (query.has('md5') || query.has('auth_key'))) {
    return checkCdnSign(cdnKey, request);
  }
  return readPlayback(secret, action, resource, query, nowMs);
}
