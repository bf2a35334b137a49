// Lists come in pages, newest first: `limit` of them, `before` a time that the page before ended with.
import { z } from '@hono/zod-openapi';
import type { ApiContext } from './api.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 200;

const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(MAX_LIMIT)
  .default(DEFAULT_LIMIT)
  .meta({ description: 'How many at most.' });

/** The query of the list that goes forward in time. */
export const arrivals = z.object({
  limit: limit.default(MAX_LIMIT),
  after: z
    .string()
    .regex(/^\d{1,15}\.\d{1,15}$/)
    .optional()
    .meta({ description: 'Where the page before ended, as its `Link` says.' }),
});

/** The query of a list that is ordered by `field`. */
export const page = (field: string) =>
  z.object({
    limit,
    before: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: `Only those with a smaller \`${field}\`.` }),
  });

/** What the description of such a list says. */
export const PAGED = 'Where there are more, the header `Link` has their address, with `rel="next"`.';

/** Answers with a page of at most `limit`, ordered by `field`, and says where the next is (RFC 8288), if there may be one. */
export function sendPage<F extends string, T extends Record<F, number>>(
  context: ApiContext,
  found: T[],
  limit: number,
  field: F,
) {
  const last = found.length === limit ? found.at(-1) : undefined;
  if (last !== undefined) linkNext(context, 'before', String(last[field]));
  return context.json(found, 200);
}

/** Says where the next page is: this address with `name` set to `value`. */
export function linkNext(context: ApiContext, name: 'before' | 'after', value: string): void {
  const { pathname, searchParams } = new URL(context.req.url);
  searchParams.set(name, value);
  context.header('link', `<${pathname}?${searchParams}>; rel="next"`);
}
