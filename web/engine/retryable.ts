// Which refusals pass by themselves.
import type { ErrorCode } from '#shared/contract/errors.ts';

/** Asking again may help. */
export const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'service-unavailable',
  'internal-error',
  'rate-limited',
]);

/** True for refusals that pass by themselves. */
export const isRetryable = (code: ErrorCode): boolean => RETRYABLE.has(code);
