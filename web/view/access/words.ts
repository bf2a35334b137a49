// Rules and reasons in the page's language.
import { t } from '../../i18n/access.ts';
import type { AccessTestResult, FieldProblem, RuleName } from '../../state/access.svelte.ts';

type Reason = NonNullable<AccessTestResult['steps'][number]['reason']>;

const REASONS = {
  'no-signature': 'whyNoSignature',
  'wrong-signature': 'whyWrongSignature',
  expired: 'whyExpired',
  revoked: 'whyRevoked',
  'ip-denied': 'whyIpDenied',
  'ip-not-allowed': 'whyIpNotAllowed',
  'ip-unknown': 'whyIpUnknown',
  'country-denied': 'whyCountryDenied',
  'country-not-allowed': 'whyCountryNotAllowed',
  'country-unknown': 'whyCountryUnknown',
  'no-database': 'whyNoDatabase',
  'referer-denied': 'whyRefererDenied',
  'referer-not-allowed': 'whyRefererNotAllowed',
  'referer-empty': 'whyRefererEmpty',
  'callback-denied': 'whyCallbackDenied',
  'callback-failed': 'whyCallbackFailed',
  'callback-private': 'whyCallbackPrivate',
  broken: 'whyBroken',
} as const satisfies Record<Reason, string>;

const PROBLEMS = {
  'ip.allow': 'wrongNetwork',
  'ip.deny': 'wrongNetwork',
  'region.countries': 'wrongCountry',
  'referer.hosts': 'wrongHost',
} as const;

export const ruleName = (rule: RuleName): string => t(`${rule}Title`);
export const reasonText = (reason: Reason): string => t(REASONS[reason]);

/** What is wrong with `field`; undefined if nothing is. */
export function problemOf(problem: FieldProblem | null, field: string): string | undefined {
  if (problem?.field !== field) return undefined;
  // An empty entry: not one of the list is wrong but their number.
  if (problem.entry === 'undefined') return t('tooMany');
  if (field === 'callback.url') return t('wrongUrl');
  const key = PROBLEMS[field as keyof typeof PROBLEMS];
  return t(key, { entry: problem.entry });
}
