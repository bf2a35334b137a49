// The decision as the SFU asks for it: the same rules, for a viewer or publisher that speaks to the SFU.
import type { AccessAnswer, AccessQuestion } from '#shared/contract/internal.ts';
import { parsePublishKey } from '#shared/contract/publish.ts';
import type { Decide } from './decide.ts';

/** Answers by `decide`. Never rejects. */
export function answerFor(decide: Decide) {
  return async ({ action, channel, query, ip, referer }: AccessQuestion): Promise<AccessAnswer> => {
    const params = new URLSearchParams(query);
    const resource = `/live/${channel}` as const;
    const verdict = await decide({ action, resource, query: params, ip, referer, nowMs: Date.now() });
    if (!verdict.allow) return { allow: false, rule: verdict.rule ?? null, code: verdict.code };
    const lesson = action === 'publish' ? parsePublishKey(params.get('key') ?? '')?.lesson : undefined;
    const { untilMs } = verdict;
    return {
      allow: true,
      rule: null,
      code: null,
      ...(lesson === undefined ? {} : { lesson }),
      ...(untilMs === undefined ? {} : { untilMs }),
    };
  };
}
