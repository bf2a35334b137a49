// The one decision: may this request play, or publish to, this channel or recording? Every protocol
// asks here before it gives or takes a byte of media. What cannot be decided is refused.
import { AS_THE_SCHOOL, DEFAULT_ACCESS, inForce } from '#shared/contract/access.ts';
import type { AccessRules, AccessStep, RefusalReason, RuleName } from '#shared/contract/access.ts';
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { PlaybackAction, PlaybackResource } from '#shared/contract/playback.ts';

export interface AccessRequest {
  readonly action: PlaybackAction;
  readonly resource: PlaybackResource;
  /** The path as it was asked for, where it says more than the resource. */
  readonly path?: string;
  /** The query of the address, as it was asked for. */
  readonly query: URLSearchParams;
  /** Of the viewer, not of a proxy between. */
  readonly ip: string;
  readonly referer: string | undefined;
  /** Since 1970. */
  readonly nowMs: number;
}

/** `untilMs`: when it has to be asked again; left out if only a change of the settings can alter it. */
export type Verdict =
  | { readonly allow: true; readonly untilMs?: number }
  | {
      readonly allow: false;
      readonly code: ErrorCode;
      /** The rule that decided, where one did. */
      readonly rule?: RuleName;
      readonly reason?: RefusalReason;
    };

/** What a rule goes by. */
export interface ChannelAccess {
  /** Another one than before: what was decided earlier may be decided otherwise now. */
  readonly version: number;
  /** Empty for a channel that the school has not told of. */
  readonly lesson: string;
  readonly access: AccessRules;
  /** Signatures of a lower epoch were revoked. */
  readonly epoch: number;
  /** Signatures that were made for one of these were revoked. */
  readonly endedViewers: readonly string[];
  /** The lowest version of a stream key that opens the channel; null if none does. */
  readonly publishVersion: number | null;
}

/** Where nothing is known. */
export const UNKNOWN_CHANNEL: ChannelAccess = {
  version: 0,
  lesson: '',
  access: inForce(AS_THE_SCHOOL, DEFAULT_ACCESS),
  epoch: 0,
  endedViewers: [],
  publishVersion: 0,
};

/** `null`: the rule is not in use. */
export type Outcome =
  | { readonly allow: true; readonly untilMs?: number }
  | { readonly allow: false; readonly code: ErrorCode; readonly reason?: RefusalReason }
  | null;

/** One condition that a request has to meet. A rule that throws refuses. */
export interface AccessRule {
  /** `key` is the stream key, which is no rule of viewing. */
  readonly name: RuleName | 'key';
  readonly action: PlaybackAction;
  judge(request: AccessRequest, channel: ChannelAccess): Outcome | Promise<Outcome>;
}

export type Decide = (request: AccessRequest) => Promise<Verdict>;

/** What each rule said on the way to a verdict. */
export interface Explained {
  readonly verdict: Verdict;
  readonly steps: readonly AccessStep[];
}

/** Told of a bug: the answer is no, and somebody should know why. */
export type OnBroken = (error: unknown, rule: string) => void;

/**
 * Asks the rules for the request's action in their order: all must allow, the first refusal counts. No
 * rules allow nothing. Never rejects: a rule that fails refuses with `service-unavailable`.
 */
export async function explain(
  rules: readonly AccessRule[],
  request: AccessRequest,
  channel: ChannelAccess,
  onBroken: OnBroken = () => undefined,
): Promise<Explained> {
  const steps: AccessStep[] = [];
  let verdict: Verdict | undefined;
  let untilMs: number | undefined;
  const asked = rules.filter(({ action }) => action === request.action);
  for (const rule of asked) {
    if (verdict !== undefined) {
      note(steps, rule, 'skipped');
      continue;
    }
    const outcome = await judged(rule, request, channel, onBroken);
    if (outcome === null || outcome.allow) {
      note(steps, rule, outcome === null ? 'off' : 'allow');
      const mine = outcome?.untilMs;
      if (mine !== undefined) untilMs = Math.min(mine, untilMs ?? mine);
      continue;
    }
    const { code, reason } = outcome;
    note(steps, rule, 'deny', reason);
    verdict = {
      allow: false,
      code,
      ...(rule.name === 'key' ? {} : { rule: rule.name }),
      ...(reason === undefined ? {} : { reason }),
    };
  }
  if (asked.length === 0) verdict = { allow: false, code: 'forbidden' };
  verdict ??= untilMs === undefined ? { allow: true } : { allow: true, untilMs };
  return { verdict, steps };
}

/** Makes the decision out of rules; `channelOf` says what is set for the channel of a resource. */
export function createDecide(
  rules: readonly AccessRule[],
  channelOf: (resource: PlaybackResource) => ChannelAccess = () => UNKNOWN_CHANNEL,
  onBroken: OnBroken = () => undefined,
): Decide {
  return async (request) => {
    let channel: ChannelAccess;
    try {
      channel = channelOf(request.resource);
    } catch (error) {
      onBroken(error, 'settings');
      return { allow: false, code: 'service-unavailable' };
    }
    return (await explain(rules, request, channel, onBroken)).verdict;
  };
}

async function judged(
  rule: AccessRule,
  request: AccessRequest,
  channel: ChannelAccess,
  onBroken: OnBroken,
): Promise<Outcome> {
  try {
    return await rule.judge(request, channel);
  } catch (error) {
    onBroken(error, rule.name);
    return { allow: false, code: 'service-unavailable', reason: 'broken' };
  }
}

function note(
  steps: AccessStep[],
  { name }: AccessRule,
  outcome: AccessStep['outcome'],
  reason?: RefusalReason,
): void {
  if (name !== 'key') steps.push({ rule: name, outcome, reason: reason ?? null });
}
