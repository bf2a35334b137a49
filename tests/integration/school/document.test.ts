// The OpenAPI document: whole in itself, and true of the routes that are there.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { startTestSchool, type TestSchool } from './support.ts';

// The parts of OpenAPI 3.1.0 (§4.8) that the document uses, closed: anything else is a mistake.
const Schema = z.record(z.string(), z.unknown());
const Content = z.strictObject({ 'application/json': z.strictObject({ schema: Schema }) });
const Response = z.strictObject({
  description: z.string().min(1),
  content: Content.optional(),
  headers: z.record(z.string(), Schema).optional(),
});
const Operation = z.strictObject({
  tags: z.array(z.string()).length(1),
  summary: z.string().min(1),
  description: z.string().optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  parameters: z
    .array(
      z.strictObject({
        name: z.string(),
        in: z.enum(['path', 'query']),
        required: z.boolean().optional(),
        description: z.string().optional(),
        schema: Schema,
      }),
    )
    .optional(),
  requestBody: z.strictObject({ required: z.literal(true), content: Content }).optional(),
  responses: z.record(z.string().regex(/^[2-5]\d\d$/), Response),
});
const Document = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  servers: z.array(z.strictObject({ url: z.url() })).length(1),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  paths: z.record(
    z.string().startsWith('/api/v1/'),
    z.partialRecord(z.enum(['get', 'post', 'put', 'patch', 'delete']), Operation),
  ),
  webhooks: z.strictObject({}),
  components: z.strictObject({
    schemas: z.record(z.string(), Schema),
    securitySchemes: z.record(z.string(), z.looseObject({ type: z.enum(['http', 'apiKey']) })),
    parameters: z.strictObject({}).optional(),
  }),
});

describe('the OpenAPI document', () => {
  let school: TestSchool;
  let document: z.infer<typeof Document>;
  before(async () => {
    school = await startTestSchool();
    document = Document.parse((await school.call('GET', '/openapi.json')).body);
  });
  after(() => school.close());

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );

  it('has every route that the project’s documents promise, and their names', () => {
    assert.deepEqual(
      operations()
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
      [
        'delete /api/v1/lessons/{lesson}',
        'delete /api/v1/recordings/{recording}',
        'delete /api/v1/recordings/{recording}/shares/{share}',
        'delete /api/v1/session',
        'delete /api/v1/sessions',
        'get /api/v1/access',
        'get /api/v1/lessons',
        'get /api/v1/lessons/{lesson}',
        'get /api/v1/lessons/{lesson}/access',
        'get /api/v1/lessons/{lesson}/attendance',
        'get /api/v1/lessons/{lesson}/encoder',
        'get /api/v1/lessons/{lesson}/relays',
        'get /api/v1/lessons/{lesson}/watermark',
        'get /api/v1/recordings',
        'get /api/v1/recordings/{recording}',
        'get /api/v1/recordings/{recording}/shares',
        'get /api/v1/retention',
        'get /api/v1/session',
        'get /api/v1/status',
        'get /api/v1/status/history',
        'patch /api/v1/lessons/{lesson}',
        'patch /api/v1/recordings/{recording}',
        'patch /api/v1/recordings/{recording}/messages/{message}',
        'post /api/v1/access/test',
        'post /api/v1/lessons',
        'post /api/v1/lessons/{lesson}/access/test',
        'post /api/v1/lessons/{lesson}/end',
        'post /api/v1/lessons/{lesson}/links/{link}',
        'post /api/v1/lessons/{lesson}/playback',
        'post /api/v1/lessons/{lesson}/publish-key',
        'post /api/v1/lessons/{lesson}/recording',
        'post /api/v1/lessons/{lesson}/revoke',
        'post /api/v1/lessons/{lesson}/tickets',
        'post /api/v1/recordings/{recording}/chapters',
        'post /api/v1/recordings/{recording}/chat',
        'post /api/v1/recordings/{recording}/playback',
        'post /api/v1/recordings/{recording}/search',
        'post /api/v1/recordings/{recording}/shares',
        'post /api/v1/session',
        'put /api/v1/access',
        'put /api/v1/lessons/{lesson}/access',
        'put /api/v1/lessons/{lesson}/relays',
        'put /api/v1/lessons/{lesson}/watermark',
      ],
    );
    for (const name of ['Lesson', 'Recording', 'TicketIssued', 'PlaybackIssued', 'ReplayIssued', 'Refusal']) {
      assert.ok(name in document.components.schemas, name);
    }
  });

  it('refers to nothing that is not in it, and leaves nothing in it unused', () => {
    const referred = new Set(
      Array.from(
        JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g),
        ([, name]) => name,
      ),
    );
    assert.deepEqual(referred, new Set(Object.keys(document.components.schemas)));
    const schemes = new Set(Object.keys(document.components.securitySchemes));
    for (const requirement of [
      ...document.security,
      ...operations().flatMap(({ operation }) => operation.security ?? []),
    ]) {
      for (const name of Object.keys(requirement)) assert.ok(schemes.has(name), name);
    }
  });

  it('describes each parameter of a path, one success and its refusals', () => {
    for (const { path, method, operation } of operations()) {
      const named = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name);
      const given = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      assert.deepEqual(
        given.map(({ name }) => name),
        named,
        `${method} ${path}`,
      );
      const statuses = Object.keys(operation.responses);
      assert.equal(statuses.filter((status) => status.startsWith('2')).length, 1, `${method} ${path}`);
      const refusals = statuses.filter((status) => !status.startsWith('2'));
      for (const status of refusals) {
        const schema = operation.responses[status]?.content?.['application/json'].schema;
        assert.deepEqual(schema, { $ref: '#/components/schemas/Refusal' });
      }
    }
  });

  it('names only routes that are there', async () => {
    for (const { path, method } of operations()) {
      const address = path.replace('/api/v1', '').replace(/\{\w+\}/g, 'abcdefgh2345');
      const { status } = await school.call(method.toUpperCase(), address);
      assert.ok(
        status !== 405 && (status !== 404 || address.includes('abcdefgh')),
        `${method} ${path}: ${status}`,
      );
    }
  });
});
