// The decision as the SFU asks for it: the same rules, for a viewer or publisher that speaks to the SFU.
import type { AccessAnswer, AccessQuestion } from '#shared/contract/internal.ts';
import { checkPublishKey } from '#server/publish-key.ts';
import type { Decide } from './decide.ts';

/** Answers by `decide`, and by the publish key that `secret` signs. Never rejects. */
export function answerFor(decide: Decide, secret: string) {
  return async ({ action, channel, query, ip, referer }: AccessQuestion): Promise<AccessAnswer> => {
    const params = new URLSearchParams(query);
    if (action === 'publish') {
      const checked = checkPublishKey(secret, channel, params.get('key') ?? '', 0);
      return typeof checked === 'string'
        ? { allow: false, rule: 'publish-key', code: checked }
        : { allow: true, rule: 'publish-key', code: null, lesson: checked.lesson };
    }
    const resource = `/live/${channel}` as const;
    const verdict = await decide({ action, resource, query: params, ip, referer, nowMs: Date.now() });
    return { allow: verdict.allow, rule: null, code: verdict.allow ? null : verdict.code };
  };
}
