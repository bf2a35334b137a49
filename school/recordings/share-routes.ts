// `/recordings/<recording>/shares`: links to one replay.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { RecordingId, ShareId } from '#shared/contract/ids.ts';
import { Share, ShareCreate, ShareEnded } from '#shared/contract/shares.ts';
import { asJson, jsonBody, refusals, type Api, type ApiEnv } from '../http/api.ts';
import type { Shares } from './shares.ts';

export interface ShareRoutes {
  shares: Shares;
  /** Refuses everyone but the owner. */
  ownerOnly: MiddlewareHandler<ApiEnv>;
}

const params = z.object({ recording: RecordingId });
const tags = ['recordings'];

export function addShareRoutes(api: Api, { shares, ownerOnly }: ShareRoutes): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/recordings/{recording}/shares',
      tags,
      middleware: ownerOnly,
      summary: 'The links to this replay alone that are good, newest first.',
      request: { params },
      responses: { 200: asJson('The links.', z.array(Share)), ...refusals('unauthorized', 'not-found') },
    }),
    async (context) => context.json(await shares.list(context.req.valid('param').recording), 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/recordings/{recording}/shares',
      tags,
      middleware: ownerOnly,
      summary: 'Make a link to this replay alone, with its own end and rules.',
      request: { params, body: jsonBody(ShareCreate) },
      responses: {
        201: asJson('The link.', Share),
        ...refusals('bad-request', 'unauthorized', 'forbidden', 'not-found', 'conflict'),
      },
    }),
    async (context) =>
      context.json(await shares.create(context.req.valid('param').recording, context.req.valid('json')), 201),
  );

  api.openapi(
    createRoute({
      method: 'delete',
      path: '/recordings/{recording}/shares/{share}',
      tags,
      middleware: ownerOnly,
      summary: 'End a link to this replay; those who watch by it are cut off.',
      request: { params: params.extend({ share: ShareId }) },
      responses: {
        200: asJson('It is over.', ShareEnded),
        ...refusals('unauthorized', 'forbidden', 'not-found'),
      },
    }),
    async (context) => {
      const { recording, share } = context.req.valid('param');
      return context.json({ applied: await shares.end(recording, share) }, 200);
    },
  );
}
