// The one decision: may this request play, or publish to, this channel or recording? Every protocol
// asks here before it gives or takes a byte of media. What cannot be decided is refused.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { PlaybackAction, PlaybackResource } from '#shared/contract/playback.ts';
import { checkPlayback } from '#server/playback-sign.ts';

export interface AccessRequest {
  readonly action: PlaybackAction;
  readonly resource: PlaybackResource;
  /** The query of the address, as it was asked for. */
  readonly query: URLSearchParams;
  /** Of the viewer, not of a proxy between. */
  readonly ip: string;
  readonly referer: string | undefined;
  /** Since 1970. */
  readonly nowMs: number;
}

export type Verdict = { readonly allow: true } | { readonly allow: false; readonly code: ErrorCode };

/** One condition that a request has to meet. A rule that throws refuses. */
export type AccessRule = (request: AccessRequest) => Verdict | Promise<Verdict>;

export type Decide = (request: AccessRequest) => Promise<Verdict>;

const ALLOWED: Verdict = { allow: true };

/** The address must carry a good signature (shared/contract/playback.ts). */
export function signedAddress(secret: string): AccessRule {
  return ({ action, resource, query, nowMs }) => {
    const code = checkPlayback(secret, action, resource, query, nowMs);
    return code === undefined ? ALLOWED : { allow: false, code };
  };
}

/**
 * Makes the decision out of rules: all must allow, the first refusal counts. No rules allow nothing.
 * Never rejects: a rule that fails refuses with `service-unavailable`.
 */
export function createDecide(rules: readonly AccessRule[]): Decide {
  return async (request) => {
    if (rules.length === 0) return { allow: false, code: 'forbidden' };
    try {
      for (const rule of rules) {
        const verdict = await rule(request);
        if (!verdict.allow) return verdict;
      }
      return ALLOWED;
    } catch {
      return { allow: false, code: 'service-unavailable' };
    }
  };
}
