// `/status`: how all the services are, in one answer, also while one of them is down.
import { createRoute, type z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { GatewayStatus, SfuStatus, Status } from '#shared/contract/status.ts';
import type { ServiceName, Vitals } from '#shared/contract/status.ts';
import { callInternal } from '#server/internal-client.ts';
import type { Log } from '#server/log.ts';
import type { Settings } from '#server/settings.ts';
import { processVitals } from '#server/vitals.ts';
import { asJson, refusals, type Api, type ApiEnv } from '../http/api.ts';
import { warningsOf } from './warnings.ts';

/** A page waits for this answer: what does not answer by then counts as down. */
const ANSWER_LIMIT_MS = 1_500;

export interface StatusRoutes {
  readonly settings: Pick<Settings, 'LECTERN_GATEWAY_URL' | 'LECTERN_SFU_URL'>;
  /** The internal secret. */
  readonly secret: string;
  /** Refuses everyone but the owner. */
  readonly ownerOnly: MiddlewareHandler<ApiEnv>;
  readonly now: () => number;
  readonly log: Log;
}

/** What a service told, and how long that took. */
interface Told<T> {
  readonly told: T | undefined;
  readonly answerMs: number;
}

export function addStatusRoutes(api: Api, { settings, secret, ownerOnly, now, log }: StatusRoutes): void {
  async function ask<T extends z.ZodType>(origin: string, schema: T): Promise<Told<z.output<T>>> {
    const startMs = performance.now();
    const url = `${origin}/internal/status`;
    try {
      const told = await callInternal(secret, 'GET', url, schema, undefined, ANSWER_LIMIT_MS);
      return { told, answerMs: Math.round(performance.now() - startMs) };
    } catch (error) {
      log.debug({ err: error, url }, 'a service told nothing of itself');
      return { told: undefined, answerMs: Math.round(performance.now() - startMs) };
    }
  }

  api.openapi(
    createRoute({
      method: 'get',
      path: '/status',
      tags: ['status'],
      middleware: ownerOnly,
      summary: 'What is on air, how the services are, and what needs a look.',
      responses: { 200: asJson('The status.', Status), ...refusals('unauthorized') },
    }),
    async (context) => {
      const [gateway, sfu] = await Promise.all([
        ask(settings.LECTERN_GATEWAY_URL, GatewayStatus),
        ask(settings.LECTERN_SFU_URL, SfuStatus),
      ]);
      const status: Status = {
        atMs: now(),
        services: [
          serviceOf('gateway', gateway),
          serviceOf('sfu', sfu),
          serviceOf('school', { told: { vitals: processVitals() }, answerMs: 0 }),
        ],
        channels: (gateway.told?.channels ?? []).map((channel) => ({
          ...channel,
          viewers: { ...channel.viewers, whep: sfu.told?.whepViewers[channel.lesson] ?? 0 },
        })),
        rooms: sfu.told ?? null,
        disk: gateway.told?.disk ?? null,
        sound: gateway.told?.sound ?? null,
        warnings: warningsOf({ gateway: gateway.told, sfu: sfu.told }),
      };
      return context.json(Status.parse(status), 200);
    },
  );
}

function serviceOf(
  name: ServiceName,
  { told, answerMs }: Told<{ vitals: Vitals }>,
): Status['services'][number] {
  return told === undefined
    ? { name, state: 'down', answerMs: null, vitals: null }
    : { name, state: 'up', answerMs, vitals: told.vitals };
}
