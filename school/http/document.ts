// The OpenAPI 3.1 document, made from the schemas and routes that also do the checking.
import { z } from 'zod';
import { ErrorBody } from '#shared/contract/errors.ts';
import * as access from '#shared/contract/access.ts';
import { PublishLinks } from '#shared/contract/publish.ts';
import * as rest from '#shared/contract/rest.ts';
import { Status } from '#shared/contract/status.ts';
import { SESSION_COOKIE } from '../people/owner.ts';
import type { Api } from './api.ts';

/** The schemas that the document names instead of repeating them. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  Refusal: ErrorBody,
  Lesson: rest.Lesson,
  LessonCreate: rest.LessonCreate,
  LessonPatch: rest.LessonPatch,
  PlayLinks: rest.PlayLinks,
  Recording: rest.Recording,
  Session: rest.Session,
  SessionCreate: rest.SessionCreate,
  TicketCreate: rest.TicketCreate,
  TicketIssued: rest.TicketIssued,
  PlaybackCreate: rest.PlaybackCreate,
  PlaybackIssued: rest.PlaybackIssued,
  ReplayIssued: rest.ReplayIssued,
  Attendance: rest.Attendance,
  Status,
  AccessRevoked: rest.AccessRevoked,
  PublishLinks,
  AccessRules: access.AccessRules,
  SchoolAccess: access.SchoolAccess,
  SchoolAccessView: access.SchoolAccessView,
  SchoolAccessTest: access.SchoolAccessTest,
  LessonAccess: access.LessonAccess,
  LessonAccessView: access.LessonAccessView,
  AccessTest: access.AccessTest,
  AccessTestResult: access.AccessTestResult,
};

for (const [id, schema] of Object.entries(NAMED)) z.globalRegistry.add(schema, { id });

/** Serves the document at `/openapi.json` of `api`. Call it after the routes are there. */
export function addDocument(api: Api, publicUrl: string): void {
  api.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'The value of LECTERN_API_KEY.',
  });
  api.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: SESSION_COOKIE,
    description: 'Set by `POST /session`. Changes with it must come from a page of the same origin.',
  });
  const document = nameSchemas(
    api.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Lectern',
        version: '1',
        description: 'Lessons, their links, tickets and playback addresses, who may watch, and recordings.',
      },
      servers: [{ url: publicUrl }],
      security: [{ apiKey: [] }, { session: [] }],
    }),
  );
  api.get('/openapi.json', (context) => context.json(document));
}

/**
 * Moves each schema that has a name to `components/schemas`, leaving a reference. The generator itself
 * names only copies of schemas, and so would repeat those that stand within others.
 */
function nameSchemas<D extends { components?: object }>(document: D): object {
  const schemas: Record<string, unknown> = {};
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const { id, ...rest }: Record<string, unknown> = { ...value };
    if (typeof id !== 'string' || !Object.hasOwn(NAMED, id)) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
    }
    schemas[id] ??= walk(rest);
    return { $ref: `#/components/schemas/${id}` };
  };
  const { components, ...rest } = document;
  const parts = Object.entries(rest).map(([key, part]): [string, unknown] => [key, walk(part)]);
  return { ...Object.fromEntries(parts), components: { ...components, schemas } };
}
