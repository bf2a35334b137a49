// `POST /internal/events`: where the outboxes of the other services deliver.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { EventBatch } from '#shared/contract/internal.ts';
import { readJson, requireBearer, sendError, sendJson } from '#server/http.ts';
import type { Log } from '#server/log.ts';

/** A full batch of the longest chat messages, with every character escaped. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

export interface InternalApi {
  /** The secret between services. */
  secret: string;
  apply: (batch: EventBatch) => Promise<unknown>;
  log: Log;
}

/** Makes the handler of everything below /internal. An answer of 200 means that the events are safe. */
export function internalApi({ secret, apply, log }: InternalApi) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      requireBearer(request, secret);
      if (request.url?.split('?', 1)[0] !== '/internal/events') throw new LecternError('not-found');
      if (request.method !== 'POST') throw new LecternError('method-not-allowed');
      await apply(await readJson(request, EventBatch, MAX_BATCH_BYTES));
      sendJson(response, 200, {});
    } catch (error) {
      sendError(response, error, log, request.url);
    }
  };
}
