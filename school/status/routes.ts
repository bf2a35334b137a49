// `/status`: how all the services are, in one answer, also while one of them is down.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { StatusHistory } from '#shared/contract/status-history.ts';
import { Status } from '#shared/contract/status.ts';
import { asJson, refusals, type Api, type ApiEnv } from '../http/api.ts';
import type { StatusWatcher } from './watcher.ts';

export interface StatusRoutes {
  readonly watcher: StatusWatcher;
  /** Refuses everyone but the owner. */
  readonly ownerOnly: MiddlewareHandler<ApiEnv>;
}

export function addStatusRoutes(api: Api, { watcher, ownerOnly }: StatusRoutes): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/status',
      tags: ['status'],
      middleware: ownerOnly,
      summary: 'What is on air, how the services are, and what needs a look.',
      responses: { 200: asJson('The status.', Status), ...refusals('unauthorized') },
    }),
    async (context) => context.json(Status.parse(await watcher.status()), 200),
  );
  api.openapi(
    createRoute({
      method: 'get',
      path: '/status/history',
      tags: ['status'],
      middleware: ownerOnly,
      summary: 'The last hour: a sample each ten seconds, the oldest first.',
      request: { query: z.object({ after: z.coerce.number().min(0).default(0) }) },
      responses: { 200: asJson('The samples.', StatusHistory), ...refusals('unauthorized', 'bad-request') },
    }),
    (context) => context.json(watcher.history(context.req.valid('query').after), 200),
  );
}
