// `/access` and `/lessons/:id/access`: who may watch; what was handed out and is to end.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import {
  AccessTest,
  AccessTestResult,
  LessonAccess,
  LessonAccessView,
  SchoolAccess,
  SchoolAccessTest,
  SchoolAccessView,
} from '#shared/contract/access.ts';
import { LessonId } from '#shared/contract/ids.ts';
import { EncoderNow } from '#shared/contract/publish.ts';
import { AccessRevoked, Lesson } from '#shared/contract/rest.ts';
import { asJson, jsonBody, refusals, type Api, type ApiContext, type ApiEnv } from '../http/api.ts';
import type { Lessons } from '../lessons/service.ts';
import type { ServiceClients } from '../clients.ts';
import type { AccessService } from './service.ts';

export interface AccessRoutes {
  access: AccessService;
  lessons: Lessons;
  clients: ServiceClients;
  /** Refuses everyone but the owner: rules name servers that the gateway will speak to. */
  ownerOnly: MiddlewareHandler<ApiEnv>;
  /** The client's address. */
  ipOf: (context: ApiContext) => string;
}

const params = z.object({ lesson: LessonId });
const tags = ['access'];
const REFUSED = ['unauthorized', 'forbidden', 'not-found'] as const;

export function addAccessRoutes(api: Api, { access, lessons, clients, ownerOnly, ipOf }: AccessRoutes): void {
  const common = { tags, middleware: ownerOnly };

  api.openapi(
    createRoute({
      ...common,
      method: 'get',
      path: '/access',
      summary: 'The rules for lessons that have none of their own.',
      responses: { 200: asJson('The rules.', SchoolAccessView), ...refusals('unauthorized') },
    }),
    async (context) => context.json(await access.ofSchool(), 200),
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'put',
      path: '/access',
      summary: 'Set the rules for lessons that have none of their own.',
      request: { body: jsonBody(SchoolAccess) },
      responses: {
        200: asJson('The rules.', SchoolAccessView),
        ...refusals('bad-request', 'unauthorized', 'forbidden'),
      },
    }),
    async (context) => context.json(await access.setSchool(context.req.valid('json')), 200),
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'post',
      path: '/access/test',
      summary: 'Try the school’s rules, or others, on a visitor.',
      request: { body: jsonBody(SchoolAccessTest) },
      responses: {
        200: asJson('What is decided, and by which rule.', AccessTestResult),
        ...refusals('bad-request', 'unauthorized', 'forbidden', 'service-unavailable'),
      },
    }),
    async (context) => {
      const { access: draft, ip, referer } = context.req.valid('json');
      return context.json(await access.testSchool({ ip: ip ?? ipOf(context), referer }, draft), 200);
    },
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'get',
      path: '/lessons/{lesson}/access',
      summary: 'The rules of a lesson. Those that are null are the school’s; `effective` are in force.',
      request: { params },
      responses: { 200: asJson('The rules.', LessonAccessView), ...refusals('unauthorized', 'not-found') },
    }),
    async (context) => context.json(await access.ofLesson(context.req.valid('param').lesson), 200),
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'put',
      path: '/lessons/{lesson}/access',
      summary: 'Set who may watch a lesson; a rule that is left out or null is the school’s.',
      request: { params, body: jsonBody(LessonAccess) },
      responses: { 200: asJson('The rules.', LessonAccessView), ...refusals('bad-request', ...REFUSED) },
    }),
    async (context) => {
      const { lesson } = context.req.valid('param');
      return context.json(await access.setLesson(lesson, context.req.valid('json')), 200);
    },
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'post',
      path: '/lessons/{lesson}/access/test',
      summary: 'Try the rules of a lesson, or others, on a visitor.',
      request: { params, body: jsonBody(AccessTest) },
      responses: {
        200: asJson('What is decided, and by which rule.', AccessTestResult),
        ...refusals('bad-request', ...REFUSED, 'service-unavailable'),
      },
    }),
    async (context) => {
      const { lesson } = context.req.valid('param');
      const { access: draft, address, ip, referer } = context.req.valid('json');
      const visitor = { address, ip: ip ?? ipOf(context), referer };
      return context.json(await access.testLesson(lesson, visitor, draft), 200);
    },
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'post',
      path: '/lessons/{lesson}/revoke',
      summary: 'End all playback addresses of a lesson, and disconnect all who watch through one, at once.',
      request: { params },
      responses: {
        200: asJson('New addresses.', AccessRevoked),
        ...refusals(...REFUSED, 'conflict'),
      },
    }),
    async (context) => context.json(await access.revoke(context.req.valid('param').lesson), 200),
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'post',
      path: '/lessons/{lesson}/publish-key',
      summary: 'Make a new stream key; the old one opens nothing any more.',
      request: { params },
      responses: { 200: asJson('The lesson.', Lesson), ...refusals(...REFUSED, 'room-closed') },
    }),
    async (context) => {
      const { lesson } = context.req.valid('param');
      await access.newPublishKey(lesson);
      return context.json(await lessons.get(lesson), 200);
    },
  );

  api.openapi(
    createRoute({
      ...common,
      method: 'get',
      path: '/lessons/{lesson}/encoder',
      summary: 'The program that publishes to the class now.',
      request: { params },
      responses: {
        200: asJson('Null if there is none.', EncoderNow),
        ...refusals('unauthorized', 'not-found', 'service-unavailable'),
      },
    }),
    async (context) => {
      const { id } = await lessons.find(context.req.valid('param').lesson);
      return context.json(await clients.sfu.getEncoder({ params: { room: id } }), 200);
    },
  );
}
