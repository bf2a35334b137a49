// The school's own server is asked. Its answer holds for the same viewer for a short while, so that a
// player that asks for a segment every other second does not become a flood; no answer lets nobody in.
import { LruMap } from '#shared/lru-map.ts';
import { networkOf } from '#server/forwarded.ts';
import { PrivateAddressError } from '#server/outgoing.ts';
import type { AskLeave } from '../ask-leave.ts';
import type { AccessRequest, AccessRule, ChannelAccess, Outcome } from '../decide.ts';

/** Beyond this the answers that were used longest ago are forgotten. */
const MAX_ANSWERS = 20_000;

/**
 * Questions under way for one address, half of all that may be (ask-leave.ts): a viewer who asks in ever other ways
 * keeps no other waiting. A school is one address.
 */
const MAX_PER_ADDRESS = 32;
const BUSY: Outcome = { allow: false, code: 'service-unavailable', reason: 'callback-failed' };

interface Answer {
  readonly outcome: Promise<Outcome>;
  untilMs: number;
}

export function callback(ask: AskLeave): AccessRule {
  const answers = new LruMap<string, Answer>(MAX_ANSWERS);
  /** Questions under way, by address. */
  const underWay = new Map<string, number>();
  return {
    name: 'callback',
    action: 'play',
    judge(request, channel) {
      const { url, timeoutMs, cacheMs } = channel.access.callback;
      if (url === null) return null;
      const body = questionOf(request, channel);
      const key = `${channel.version} ${url} ${JSON.stringify(body)}`;
      const known = answers.get(key);
      if (known !== undefined && known.untilMs > request.nowMs) return known.outcome;
      const network = networkOf(request.ip);
      const asking = underWay.get(network) ?? 0;
      if (asking >= MAX_PER_ADDRESS) return BUSY;
      underWay.set(network, asking + 1);
      const answer: Answer = {
        outcome: ask(url, body, timeoutMs).then(
          (allow): Outcome =>
            allow ? { allow: true } : { allow: false, code: 'forbidden', reason: 'callback-denied' },
          (error: unknown): Outcome => ({
            allow: false,
            code: 'service-unavailable',
            reason: error instanceof PrivateAddressError ? 'callback-private' : 'callback-failed',
          }),
        ),
        // Those who ask while the question is under way share it, whatever the cache.
        untilMs: Number.POSITIVE_INFINITY,
      };
      answers.set(key, answer);
      void answer.outcome.then((outcome) => {
        const left = (underWay.get(network) ?? 1) - 1;
        if (left > 0) underWay.set(network, left);
        else underWay.delete(network);
        // That nobody answered is no answer: the next one asks again.
        const holds = outcome === null || outcome.allow || outcome.code === 'forbidden';
        if (holds && cacheMs > 0) answer.untilMs = request.nowMs + cacheMs;
        else if (answers.get(key) === answer) answers.delete(key);
      });
      return answer.outcome;
    },
  };
}

/** What the school is told: enough to know who wants to see what, and no signature. */
function questionOf(
  request: AccessRequest,
  { lesson, access }: ChannelAccess,
): Record<string, string | null> {
  const [, area, id = ''] = request.resource.split('/');
  // The rule before this one has checked the signature: the HMAC covers the viewer, the MD5 forms do not.
  const isSigned = access.tokens.required && request.query.has('sign');
  return {
    action: request.action,
    lesson: lesson === '' ? null : lesson,
    channel: area === 'live' ? id : null,
    recording: area === 'replay' ? id : null,
    viewer: isSigned ? request.query.get('viewer') : null,
    ip: request.ip,
    referer: request.referer?.slice(0, 2_000) ?? null,
  };
}
