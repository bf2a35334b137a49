// Which refusals pass by themselves.
import type { ErrorCode } from '#shared/contract/errors.ts';

/** Asking again may help. */
export const PASSING: ReadonlySet<ErrorCode> = new Set([
  'service-unavailable',
  'internal-error',
  'rate-limited',
]);

/** True for refusals that pass by themselves. */
export const passes = (code: ErrorCode): boolean => PASSING.has(code);
