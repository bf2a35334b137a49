// `/recordings` and below.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { LessonId, RecordingId } from '#shared/contract/ids.ts';
import { PlaybackCreate, Recording, ReplayIssued } from '#shared/contract/rest.ts';
import { ANYONE, refusals, type Api, type ApiEnv } from '../http/api.ts';
import { page, setNext } from '../http/paging.ts';
import type { Admission } from '../people/admission.ts';
import type { Recordings } from './service.ts';

export interface RecordingRoutes {
  recordings: Recordings;
  admission: Admission;
  /** Refuses everyone but the owner. */
  ownerOnly: MiddlewareHandler<ApiEnv>;
}

const params = z.object({ recording: RecordingId });
const tags = ['recordings'];
const asJson = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
});

export function addRecordingRoutes(api: Api, { recordings, admission, ownerOnly }: RecordingRoutes): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/recordings',
      tags,
      middleware: ownerOnly,
      summary: 'Recordings, newest first, of all lessons or of one.',
      description: 'Where there are more, the header `Link` has their address, with `rel="next"`.',
      request: { query: page('startedAtMs').extend({ lesson: LessonId.optional() }) },
      responses: {
        200: asJson('The recordings.', z.array(Recording)),
        ...refusals('bad-request', 'unauthorized', 'not-found'),
      },
    }),
    async (context) => {
      const { lesson, limit, before } = context.req.valid('query');
      const found = await recordings.list({ lesson, limit, beforeMs: before });
      setNext(context, found.length === limit ? found.at(-1)?.startedAtMs : undefined);
      return context.json(found, 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/recordings/{recording}',
      tags,
      middleware: ownerOnly,
      summary: 'One recording, with freshly signed addresses.',
      request: { params },
      responses: { 200: asJson('The recording.', Recording), ...refusals('unauthorized', 'not-found') },
    }),
    async (context) => context.json(await recordings.get(context.req.valid('param').recording), 200),
  );

  api.openapi(
    createRoute({
      method: 'delete',
      path: '/recordings/{recording}',
      tags,
      middleware: ownerOnly,
      summary: 'Delete a finished recording.',
      request: { params },
      responses: {
        204: { description: 'Deleted.' },
        ...refusals('unauthorized', 'forbidden', 'not-found', 'conflict'),
      },
    }),
    async (context) => {
      await recordings.delete(context.req.valid('param').recording);
      return context.body(null, 204);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/recordings/{recording}/playback',
      tags,
      security: ANYONE,
      summary: 'Trade an invitation of its lesson for the replay, with the chat in time.',
      request: {
        params,
        body: { required: true, content: { 'application/json': { schema: PlaybackCreate } } },
      },
      responses: {
        200: asJson('The replay.', ReplayIssued),
        ...refusals(
          'bad-request',
          'unauthorized',
          'ticket-invalid',
          'ticket-expired',
          'forbidden',
          'not-found',
        ),
      },
    }),
    async (context) => {
      const invitation = await admission.read(context, context.req.valid('json').invite);
      const { recording } = context.req.valid('param');
      return context.json(await recordings.replay(recording, invitation?.lesson ?? null), 200);
    },
  );
}
