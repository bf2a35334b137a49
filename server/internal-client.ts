// How one service calls another: bearer secret, a deadline, an answer through a schema.
import type { z } from 'zod';
import { ErrorBody, LecternError } from '#shared/contract/errors.ts';

/**
 * Calls `method` on `url` and checks the answer with `schema`.
 * Throws LecternError: the other side's own refusal, or `service-unavailable` if it cannot be reached
 * within `timeoutMs` or answers nonsense.
 */
export async function callInternal<T extends z.ZodType>(
  secret: string,
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  url: string,
  schema: T,
  body?: unknown,
  timeoutMs = 3_000,
): Promise<z.output<T>> {
  let status: number;
  let answer: unknown;
  try {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    status = response.status;
    const text = await response.text();
    answer = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw new LecternError('service-unavailable', `${new URL(url).host}: ${String(error)}`);
  }
  if (status >= 400) {
    const refusal = ErrorBody.safeParse(answer);
    if (refusal.success) throw new LecternError(refusal.data.error.code, refusal.data.error.message);
    throw new LecternError('service-unavailable', `${new URL(url).host} answered ${status}`);
  }
  const result = schema.safeParse(answer);
  if (!result.success)
    throw new LecternError('service-unavailable', `${new URL(url).host} answered nonsense`);
  return result.data;
}
