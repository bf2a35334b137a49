// Asks the gateway, which decides for every protocol alike.
import { LecternError } from '#shared/contract/errors.ts';
import type { AccessAnswer, AccessQuestion } from '#shared/contract/internal.ts';

/** Rejects with LecternError if there is no answer. */
export type Decide = (question: AccessQuestion) => Promise<AccessAnswer>;

/** Throws LecternError with the reason unless it is allowed. */
export function requireAllowed({ allow, code }: AccessAnswer): void {
  if (!allow) throw new LecternError(code ?? 'forbidden');
}
