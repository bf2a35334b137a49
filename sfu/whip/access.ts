// Asks the gateway, which decides for every protocol alike. Whatever goes wrong on the way is a no.
import { LecternError } from '#shared/contract/errors.ts';
import { AccessAnswer, type AccessQuestion } from '#shared/contract/internal.ts';
import { callInternal } from '#server/internal-client.ts';

/** Resolves if it is allowed; else throws LecternError with the reason. */
export type Decide = (question: AccessQuestion) => Promise<AccessAnswer>;

/** Asks the gateway at `url` with the internal secret. */
export function askGateway(url: string, secret: string): Decide {
  return async (question) => {
    const answer = await callInternal(secret, 'POST', `${url}/internal/decide`, AccessAnswer, question);
    if (!answer.allow) throw new LecternError(answer.code ?? 'forbidden');
    return answer;
  };
}
