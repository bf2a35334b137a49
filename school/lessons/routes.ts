// `/lessons` and below.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { LessonId } from '#shared/contract/ids.ts';
import {
  Attendance,
  Lesson,
  LessonCreate,
  LessonPatch,
  LessonSearch,
  PlaybackCreate,
  PlaybackIssued,
  RecordingAction,
  RecordingDone,
  TicketCreate,
  TicketIssued,
  Watermark,
  WatermarkSet,
} from '#shared/contract/rest.ts';
import { ANYONE, asJson, jsonBody, refusals, type Api, type ApiContext, type ApiEnv } from '../http/api.ts';
import { arrivals, linkNext, page, PAGED, sendPage } from '../http/paging.ts';
import { ADMISSION_REFUSALS, requireLesson, type Admission } from '../people/admission.ts';
import { holderOf, type PlaybackLimits } from '../people/playback-limits.ts';
import type { TicketLimits } from '../people/ticket-limits.ts';
import { withoutFiles, type Recordings } from '../recordings/service.ts';
import type { Links } from './links.ts';
import type { Lessons } from './service.ts';
import { watermarkFor } from './watching.ts';

export interface LessonRoutes {
  lessons: Lessons;
  recordings: Recordings;
  links: Links;
  admission: Admission;
  /** Refuses everyone but the owner. */
  ownerOnly: MiddlewareHandler<ApiEnv>;
  tickets: TicketLimits;
  limits: PlaybackLimits;
  /** What stands for the viewer at `ip`, or at the asking address, in the mark over a lesson's picture. */
  markOf: (context: ApiContext, lesson: string, ip?: string) => string;
  /** How many watch a lesson; null where that is not known. */
  watchingOf: (lesson: string) => number | null;
}

/** How many finished recordings a watch page is offered. */
const RECORDINGS_OFFERED = 50;

const params = z.object({ lesson: LessonId });
const tags = ['lessons'];

export function addLessonRoutes(api: Api, deps: LessonRoutes): void {
  addOwnerRoutes(api, deps);
  addInvitationRoutes(api, deps);
}

/** What the owner does with lessons. */
function addOwnerRoutes(api: Api, { lessons, ownerOnly, markOf }: LessonRoutes): void {
  api.openapi(
    createRoute({
      method: 'put',
      path: '/lessons/{lesson}/watermark',
      tags,
      middleware: ownerOnly,
      summary: 'Set the text that moves over the picture of each viewer; null takes it away.',
      request: { params, body: jsonBody(WatermarkSet) },
      responses: {
        200: asJson('What is set.', Watermark),
        ...refusals('bad-request', 'unauthorized', 'forbidden', 'not-found'),
      },
    }),
    async (context) => {
      const { text } = context.req.valid('json');
      await lessons.setWatermark(context.req.valid('param').lesson, text);
      return context.json({ text, viewer: null }, 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/lessons/{lesson}/watermark',
      tags,
      middleware: ownerOnly,
      summary: 'The text over the picture, and what a viewer at an address is called in it.',
      request: { params, query: z.object({ ip: z.union([z.ipv4(), z.ipv6()]).optional() }) },
      responses: {
        200: asJson('What is set.', Watermark),
        ...refusals('bad-request', 'unauthorized', 'not-found'),
      },
    }),
    async (context) => {
      const { lesson } = context.req.valid('param');
      const { ip } = context.req.valid('query');
      const { watermark } = await lessons.watching(lesson);
      const viewer = ip === undefined ? null : markOf(context, lesson, ip);
      return context.json({ text: watermark, viewer }, 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/lessons',
      tags,
      middleware: ownerOnly,
      summary: 'Make a lesson, with its links and its playback addresses.',
      request: { body: jsonBody(LessonCreate) },
      responses: {
        201: {
          ...asJson('The lesson.', Lesson),
          headers: z.object({ Location: z.string().meta({ description: 'The address of the lesson.' }) }),
        },
        ...refusals('bad-request', 'too-large', 'unsupported-media-type', 'unauthorized', 'forbidden'),
      },
    }),
    async (context) => {
      const { title, recording } = context.req.valid('json');
      const lesson = await lessons.create(title, recording);
      return context.json(lesson, 201, { location: `/api/v1/lessons/${lesson.id}` });
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/lessons',
      tags,
      middleware: ownerOnly,
      summary: 'Lessons, newest first.',
      description: PAGED,
      request: {
        query: page('createdAtMs').extend({
          q: LessonSearch.optional().meta({ description: 'Only those whose title has all of these words.' }),
        }),
      },
      responses: {
        200: asJson('The lessons.', z.array(Lesson)),
        ...refusals('bad-request', 'unauthorized'),
      },
    }),
    async (context) => {
      const { limit, before, q } = context.req.valid('query');
      return sendPage(context, await lessons.list(limit, before, q), limit, 'createdAtMs');
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/lessons/{lesson}',
      tags,
      middleware: ownerOnly,
      summary: 'One lesson, with freshly signed addresses.',
      request: { params },
      responses: { 200: asJson('The lesson.', Lesson), ...refusals('unauthorized', 'not-found') },
    }),
    async (context) => context.json(await lessons.get(context.req.valid('param').lesson), 200),
  );

  api.openapi(
    createRoute({
      method: 'patch',
      path: '/lessons/{lesson}',
      tags,
      middleware: ownerOnly,
      summary: 'Change the title of a lesson, or whether its broadcasts are recorded.',
      request: { params, body: jsonBody(LessonPatch) },
      responses: {
        200: asJson('The lesson.', Lesson),
        ...refusals('bad-request', 'unauthorized', 'forbidden', 'not-found'),
      },
    }),
    async (context) => {
      const patch = context.req.valid('json');
      return context.json(await lessons.change(context.req.valid('param').lesson, patch), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'delete',
      path: '/lessons/{lesson}',
      tags,
      middleware: ownerOnly,
      summary: 'Delete a lesson with its recordings, chat, chapters and attendance.',
      request: { params },
      responses: { 204: { description: 'Deleted.' }, ...refusals('unauthorized', 'forbidden', 'not-found') },
    }),
    async (context) => {
      await lessons.delete(context.req.valid('param').lesson);
      return context.body(null, 204);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/lessons/{lesson}/end',
      tags,
      middleware: ownerOnly,
      summary: 'End the class for everyone, and its broadcast. Ending it again changes nothing.',
      request: { params },
      responses: {
        200: asJson('The lesson.', Lesson),
        ...refusals('unauthorized', 'forbidden', 'not-found'),
      },
    }),
    async (context) => context.json(await lessons.end(context.req.valid('param').lesson), 200),
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/lessons/{lesson}/recording',
      tags,
      middleware: ownerOnly,
      summary: 'Start, pause, resume or stop the recording of what is on air, or mark a chapter of it.',
      description: 'Nothing of a pause is kept.',
      request: { params, body: jsonBody(RecordingAction) },
      responses: {
        200: asJson('What is so from now on.', RecordingDone),
        ...refusals(
          'bad-request',
          'unauthorized',
          'forbidden',
          'not-found',
          'not-live',
          'conflict',
          'service-unavailable',
        ),
      },
    }),
    async (context) => {
      const { lesson } = context.req.valid('param');
      return context.json(await lessons.record(lesson, context.req.valid('json')), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/lessons/{lesson}/attendance',
      tags,
      middleware: ownerOnly,
      summary: 'Who was in the class, and when.',
      description: PAGED,
      request: { params, query: arrivals },
      responses: {
        200: asJson('In the order of arrival.', Attendance),
        ...refusals('bad-request', 'unauthorized', 'not-found'),
      },
    }),
    async (context) => {
      const { limit, after } = context.req.valid('query');
      const { people, next } = await lessons.attendance(context.req.valid('param').lesson, limit, after);
      if (next !== null) linkNext(context, 'after', next);
      return context.json(people, 200);
    },
  );
}

/** What an invitation is traded for. */
function addInvitationRoutes(api: Api, deps: LessonRoutes): void {
  const { lessons, recordings, links, admission, tickets, limits, markOf, watchingOf } = deps;
  api.openapi(
    createRoute({
      method: 'post',
      path: '/lessons/{lesson}/tickets',
      tags,
      security: ANYONE,
      summary: 'Trade an invitation for a ticket to the room.',
      request: { params, body: jsonBody(TicketCreate) },
      responses: {
        200: asJson('The ticket.', TicketIssued),
        ...refusals(...ADMISSION_REFUSALS, 'room-closed', 'rate-limited'),
      },
    }),
    async (context) => {
      const { lesson } = context.req.valid('param');
      const { invite, ticket } = context.req.valid('json');
      const claim = admission.claim(context, invite).then((claimed) => requireLesson(claimed, lesson));
      const claimed = await claim.catch((error: unknown) => {
        tickets.stranger(context);
        throw error;
      });
      const holder = await lessons.holderOf(lesson, ticket);
      const { role = 'teacher', version = 0 } = claimed ?? {};
      tickets.take(context, { lesson, role, version, holder });
      return context.json(await lessons.admit(lesson, claimed, ticket), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/lessons/{lesson}/playback',
      tags,
      security: ANYONE,
      middleware: limits.byAddress,
      summary: 'Trade an invitation for playback addresses and the finished recordings.',
      request: { params, body: jsonBody(PlaybackCreate) },
      responses: {
        200: asJson('Where the class plays.', PlaybackIssued),
        ...refusals(...ADMISSION_REFUSALS, 'rate-limited'),
      },
    }),
    async (context) => {
      const { lesson } = context.req.valid('param');
      const { invite } = context.req.valid('json');
      const invitation = requireLesson(await admission.read(context, invite), lesson);
      if (invitation !== null) limits.takeFor(context, holderOf(invitation));
      const { id, title, state, channel, accessEpoch } = await lessons.find(lesson);
      const watching = await lessons.watching(lesson);
      const watermark = watermarkFor(watching, () => markOf(context, lesson));
      const picture = watching.interrupted ? ('interrupted' as const) : ('live' as const);
      const offered = await recordings.ofAudience(lesson, RECORDINGS_OFFERED);
      const isOnAir = state === 'live';
      return context.json(
        {
          lesson: { id, title, state },
          onAir: isOnAir ? picture : null,
          teachers: isOnAir ? await lessons.teachers(lesson) : [],
          watching: isOnAir ? watchingOf(lesson) : null,
          watermark,
          play: links.play(channel, accessEpoch),
          ...offered,
          recordings:
            invitation === null || watermark === null
              ? offered.recordings
              : offered.recordings.map(withoutFiles),
        },
        200,
      );
    },
  );
}
