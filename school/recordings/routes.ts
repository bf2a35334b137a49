// `/recordings` and below.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { LessonId, RecordingId } from '#shared/contract/ids.ts';
import {
  PlaybackCreate,
  Recording,
  RecordingPatch,
  ReplayChapters,
  ReplayChatPage,
  ReplayChatQuery,
  ReplayFound,
  ReplayIssued,
  ReplayMessagePatch,
  ReplaySearchQuery,
  RetentionView,
} from '#shared/contract/rest.ts';
import { ANYONE, asJson, jsonBody, refusals, type Api, type ApiContext, type ApiEnv } from '../http/api.ts';
import { page, PAGED, sendPage } from '../http/paging.ts';
import { ADMISSION_REFUSALS, type Admission } from '../people/admission.ts';
import { holderOf, type PlaybackLimits } from '../people/playback-limits.ts';
import { isShare } from '../people/tokens.ts';
import type { Retention } from './retention.ts';
import type { Recordings } from './service.ts';
import type { Shares } from './shares.ts';
import type { ReplayViewer } from './viewer.ts';

export interface RecordingRoutes {
  recordings: Recordings;
  shares: Shares;
  retention: Pick<Retention, 'view'>;
  admission: Admission;
  /** Refuses everyone but the owner. */
  ownerOnly: MiddlewareHandler<ApiEnv>;
  limits: PlaybackLimits;
  /** Those of the search. */
  searching: PlaybackLimits;
  /** What stands for the asking viewer in the mark over a lesson's picture. */
  markOf: (context: ApiContext, lesson: string) => string;
}

const params = z.object({ recording: RecordingId });
const tags = ['recordings'];
const REPLAY_REFUSALS = [...ADMISSION_REFUSALS, 'link-ended', 'rate-limited'] as const;

export function addRecordingRoutes(api: Api, deps: RecordingRoutes): void {
  const { recordings, shares, retention, admission, ownerOnly, limits, searching, markOf } = deps;
  /** Who asks, by a link of the lesson, a link to the recording or as the owner. Counts to the limits. */
  const viewerOf = async (context: ApiContext, invite: string, by = limits): Promise<ReplayViewer> => {
    if (isShare(invite)) {
      const share = await shares.read(invite);
      by.takeFor(context, share.id);
      return { kind: 'shared', share };
    }
    const invitation = await admission.read(context, invite);
    if (invitation === null) return { kind: 'owner' };
    by.takeFor(context, holderOf(invitation));
    return { kind: 'invited', invite: invitation };
  };
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
      method: 'patch',
      path: '/recordings/{recording}',
      tags,
      middleware: ownerOnly,
      summary: 'Name a recording; keep it whatever the limits are, or no longer; show only a part of it.',
      request: { params, body: jsonBody(RecordingPatch) },
      responses: {
        200: asJson('The recording.', Recording),
        ...refusals(
          'bad-request',
          'unauthorized',
          'forbidden',
          'not-found',
          'conflict',
          'service-unavailable',
        ),
      },
    }),
    async (context) => {
      const { recording } = context.req.valid('param');
      return context.json(await recordings.change(recording, context.req.valid('json')), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/retention',
      tags,
      middleware: ownerOnly,
      summary: 'How long recordings are kept, and which of them go next.',
      responses: {
        200: asJson('The limits, and what they take.', RetentionView),
        ...refusals('unauthorized'),
      },
    }),
    async (context) => context.json(await retention.view(), 200),
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
        ...refusals(...REPLAY_REFUSALS),
      },
    }),
    async (context) => {
      const { recording } = context.req.valid('param');
      const viewer = await viewerOf(context, context.req.valid('json').invite);
      const markFor = (of: string) => markOf(context, of);
      return context.json(await recordings.replay(recording, viewer, markFor), 200);
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
        ...refusals(...REPLAY_REFUSALS),
      },
    }),
    async (context) => {
      const { invite, ...place } = context.req.valid('json');
      const { recording } = context.req.valid('param');
      const viewer = await viewerOf(context, invite);
      return context.json(await recordings.chat(recording, viewer, place), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'patch',
      path: '/recordings/{recording}/messages/{message}',
      tags,
      middleware: ownerOnly,
      summary: 'Hide a message of its chat from all but the owner, or no longer.',
      request: {
        params: params.extend({ message: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }),
        body: jsonBody(ReplayMessagePatch),
      },
      responses: {
        204: { description: 'Done.' },
        ...refusals('bad-request', 'unauthorized', 'forbidden', 'not-found'),
      },
    }),
    async (context) => {
      const { recording, message } = context.req.valid('param');
      await recordings.hide(recording, message, context.req.valid('json').hidden);
      return context.body(null, 204);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/recordings/{recording}/search',
      tags,
      security: ANYONE,
      middleware: searching.byAddress,
      summary: 'Trade an invitation of its lesson for the moments at which something was written.',
      description:
        'Messages, with the names of those who wrote them, and chapters that have all of the words.',
      request: { params, body: jsonBody(ReplaySearchQuery) },
      responses: {
        200: asJson('The first fifty, in the order of time.', ReplayFound),
        ...refusals(...REPLAY_REFUSALS),
      },
    }),
    async (context) => {
      const { invite, q } = context.req.valid('json');
      const { recording } = context.req.valid('param');
      const viewer = await viewerOf(context, invite, searching);
      return context.json(await recordings.search(recording, viewer, q), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/recordings/{recording}/chapters',
      tags,
      security: ANYONE,
      middleware: limits.byAddress,
      summary: 'Trade an invitation of its lesson for the chapters that were marked while it was recorded.',
      request: { params, body: jsonBody(PlaybackCreate) },
      responses: {
        200: asJson('The chapters, in the order of time.', ReplayChapters),
        ...refusals(...REPLAY_REFUSALS),
      },
    }),
    async (context) => {
      const { recording } = context.req.valid('param');
      const viewer = await viewerOf(context, context.req.valid('json').invite);
      return context.json(await recordings.chapters(recording, viewer), 200);
    },
  );
}
