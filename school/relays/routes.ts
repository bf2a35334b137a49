// `/lessons/:lesson/relays`: where a class is sent on to, and where its picture is taken from. The gateway
// keeps them and does the work; the school says who may ask.
import { createRoute, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { LecternError } from '#shared/contract/errors.ts';
import { LessonId } from '#shared/contract/ids.ts';
import { RelaysInfo, RelaysWanted } from '#shared/contract/relay.ts';
import { asJson, jsonBody, refusals, type Api, type ApiEnv } from '../http/api.ts';
import type { Lessons } from '../lessons/service.ts';
import type { ServiceClients } from '../clients.ts';

export interface RelayRoutes {
  lessons: Pick<Lessons, 'find'>;
  clients: ServiceClients;
  /** Refuses everyone but the owner. */
  ownerOnly: MiddlewareHandler<ApiEnv>;
}

const params = z.object({ lesson: LessonId });
const tags = ['relays'];

export function addRelayRoutes(api: Api, { lessons, clients, ownerOnly }: RelayRoutes): void {
  api.openapi(
    createRoute({
      method: 'get',
      path: '/lessons/{lesson}/relays',
      tags,
      middleware: ownerOnly,
      summary: 'Where the class is sent on to and where its picture is taken from, and how that goes.',
      request: { params },
      responses: {
        200: asJson('Addresses without the keys in them.', RelaysInfo),
        ...refusals('unauthorized', 'not-found', 'service-unavailable'),
      },
    }),
    async (context) => {
      const { channel } = await lessons.find(context.req.valid('param').lesson);
      return context.json(await clients.gateway.getRelays({ params: { channel } }), 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'put',
      path: '/lessons/{lesson}/relays',
      tags,
      middleware: ownerOnly,
      summary: 'Say all of where the class is sent on to, and where its picture is taken from.',
      description:
        'New ones are given by `url`; those that are there are kept, undisturbed, by their `id`. What is left out ends.',
      request: { params, body: jsonBody(RelaysWanted) },
      responses: {
        200: asJson('As they are now.', RelaysInfo),
        ...refusals(
          'bad-request',
          'unauthorized',
          'forbidden',
          'not-found',
          'conflict',
          'room-closed',
          'service-unavailable',
        ),
      },
    }),
    async (context) => {
      const { id, title, channel, state } = await lessons.find(context.req.valid('param').lesson);
      if (state === 'ended') throw new LecternError('room-closed');
      const wanted = context.req.valid('json');
      const body = { lesson: id, title, wanted };
      return context.json(await clients.gateway.putRelays({ params: { channel }, body }), 200);
    },
  );
}
