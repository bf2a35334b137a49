// A replay of several recordings, for a rule that knows of one at a time.
import { partsOfReplay, type PlaybackResource } from '#shared/contract/playback.ts';
import type { AccessRule, Outcome } from '../decide.ts';

/** Asks `rule` about each part of a joined replay, one after the other; the first that is refused refuses all. */
export function eachPart(rule: AccessRule): AccessRule {
  return {
    ...rule,
    async judge(request, channel) {
      let outcome: Outcome = null;
      for (const resource of partsOf(request.resource)) {
        outcome = await rule.judge({ ...request, resource }, channel);
        if (outcome?.allow !== true) break;
      }
      return outcome;
    },
  };
}

function partsOf(resource: PlaybackResource): readonly PlaybackResource[] {
  const [, area, name = ''] = resource.split('/');
  const parts = area === 'replay' ? partsOfReplay(name) : undefined;
  return parts?.map((part): PlaybackResource => `/replay/${part}`) ?? [resource];
}
