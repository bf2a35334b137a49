// `/recordings` and below.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { LessonId, RecordingId } from '#shared/contract/ids.ts';
import {
  PlaybackCreate,
  Recording,
  ReplayChatPage,
  ReplayChatQuery,
  ReplayIssued,
} from '#shared/contract/rest.ts';
import { ANYONE, asJson, jsonBody, refusals, type Api, type ApiEnv } from '../http/api.ts';
import { page, PAGED, sendPage } from '../http/paging.ts';
import { ADMISSION_REFUSALS, type Admission } from '../people/admission.ts';
import type { PlaybackLimits } from '../people/playback-limits.ts';
import type { Recordings } from './service.ts';

export interface RecordingRoutes {
  recordings: Recordings;
  admission: Admission;
  /** Refuses everyone but the owner. */
  ownerOnly: MiddlewareHandler<ApiEnv>;
  limits: PlaybackLimits;
}

const params = z.object({ recording: RecordingId });
const tags = ['recordings'];

export function addRecordingRoutes(api: Api, deps: RecordingRoutes): void {
  const { recordings, admission, ownerOnly, limits } = deps;
  api.openapi(
    createRoute({
      method: 'get',
      path: '/recordings',
      tags,
      middleware: ownerOnly,
      summary: 'Recordings, newest first, of all lessons or of one.',
      description: PAGED,
      request: { query: page('startedAtMs').extend({ lesson: LessonId.optional() }) },
      responses: {
        200: asJson('The recordings.', z.array(Recording)),
        ...refusals('bad-request', 'unauthorized', 'not-found'),
      },
    }),
    async (context) => {
      const { lesson, limit, before } = context.req.valid('query');
      return sendPage(
        context,
        await recordings.list({ lesson, limit, beforeMs: before }),
        limit,
        'startedAtMs',
      );
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
      middleware: limits.byAddress,
      summary: 'Trade an invitation of its lesson for the replay.',
      request: {
        params,
        body: jsonBody(PlaybackCreate),
      },
      responses: {
        200: asJson('The replay.', ReplayIssued),
        ...refusals(...ADMISSION_REFUSALS, 'rate-limited'),
      },
    }),
    async (context) => {
      const invitation = await admission.read(context, context.req.valid('json').invite);
      limits.takeFor(context, invitation);
      const { recording } = context.req.valid('param');
      return context.json(await recordings.replay(recording, invitation?.lesson ?? null), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/recordings/{recording}/chat',
      tags,
      security: ANYONE,
      middleware: limits.byAddress,
      summary: 'Trade an invitation of its lesson for a page of what was written while it was recorded.',
      request: { params, body: jsonBody(ReplayChatQuery) },
      responses: {
        200: asJson('The page, in the order of time.', ReplayChatPage),
        ...refusals(...ADMISSION_REFUSALS, 'rate-limited'),
      },
    }),
    async (context) => {
      const { invite, ...place } = context.req.valid('json');
      const invitation = await admission.read(context, invite);
      limits.takeFor(context, invitation);
      const { recording } = context.req.valid('param');
      return context.json(await recordings.chat(recording, invitation?.lesson ?? null, place), 200);
    },
  );
}
