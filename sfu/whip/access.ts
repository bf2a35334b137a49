// Asks the gateway, which decides for every protocol alike.
import { LecternError } from '#shared/contract/errors.ts';
import { AccessAnswer, type AccessQuestion } from '#shared/contract/internal.ts';
import { callInternal } from '#server/internal-client.ts';

/** Rejects with LecternError if there is no answer. */
export type Decide = (question: AccessQuestion) => Promise<AccessAnswer>;

/** Asks the gateway at `url` with the internal secret. */
export function askGateway(url: string, secret: string): Decide {
  return (question) => callInternal(secret, 'POST', `${url}/internal/decide`, AccessAnswer, question);
}

/** Throws LecternError with the reason unless it is allowed. */
export function requireAllowed({ allow, code }: AccessAnswer): void {
  if (!allow) throw new LecternError(code ?? 'forbidden');
}
