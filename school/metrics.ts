// What the school tells Prometheus.
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { Gauge, Histogram, type Registry } from 'prom-client';
import type { EventBatch } from '#shared/contract/internal.ts';
import { LessonState } from '#shared/contract/rest.ts';
import { labelledCounter } from '#server/counters.ts';
import { createMetrics } from '#server/service.ts';
import type { Database } from './database/database.ts';
import type { ApiEnv } from './http/api.ts';
import { KEY_KINDS, type KeyKind } from './people/wrong-keys.ts';

export interface SchoolMetrics {
  registry: Registry;
  /** Measures every request. */
  measure: MiddlewareHandler<ApiEnv>;
  /** Counts a delivery: how many of its events were new. */
  countEvents: (batch: EventBatch, fresh: number) => void;
  countWrongKey: (kind: KeyKind) => void;
}

/** `jobs` counts what is still to be done at the other services. */
export function schoolMetrics(db: Database, jobs: () => Promise<number>): SchoolMetrics {
  const registry = createMetrics('school');
  const requests = new Histogram({
    name: 'lectern_http_request_duration_seconds',
    help: 'Time to answer a request, by its route.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [registry],
  });
  const events = labelledCounter({
    name: 'lectern_school_events_total',
    help: 'Events of the other services; repeated ones came before and changed nothing.',
    labels: { outcome: ['applied', 'repeated'] },
    registry,
  });
  const wrongKeys = labelledCounter({
    name: 'lectern_school_wrong_keys_total',
    help: 'Wrong API keys and keys of owner links, with those that came too often.',
    labels: { kind: KEY_KINDS },
    registry,
  });
  new Gauge({
    name: 'lectern_school_lessons',
    help: 'Lessons by state.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      for (const state of LessonState.options) this.set({ state }, 0);
      const rows = await db
        .selectFrom('lesson')
        .select(({ fn }) => ['state', fn.countAll<number>().as('n')])
        .groupBy('state')
        .execute();
      for (const { state, n } of rows) this.set({ state }, n);
    },
  });
  new Gauge({
    name: 'lectern_school_errands',
    help: 'What is still to be ended or erased at the other services.',
    registers: [registry],
    async collect() {
      this.set(await jobs());
    },
  });
  return {
    registry,
    async measure(context, next) {
      const stop = requests.startTimer();
      await next();
      const { method } = context.req;
      stop({ method, route: routePath(context, -1), status: String(context.res.status) });
    },
    countEvents({ events: all }, fresh) {
      events.inc({ outcome: 'applied' }, fresh);
      events.inc({ outcome: 'repeated' }, all.length - fresh);
    },
    countWrongKey: (kind) => wrongKeys.inc({ kind }),
  };
}
