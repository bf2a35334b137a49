// Lists come in pages, newest first: `limit` of them, `before` a time that the page before ended with.
import { z } from '@hono/zod-openapi';
import type { ApiContext } from './api.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 200;

/** The query of a list that is ordered by `field`. */
export const page = (field: string) =>
  z.object({
    limit: z.coerce
      .number()
      .int()
      .min(1)
      .max(MAX_LIMIT)
      .default(DEFAULT_LIMIT)
      .meta({ description: 'How many at most.' }),
    before: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: `Only those with a smaller \`${field}\`.` }),
  });

/** Says where the next page is (RFC 8288), if there may be one. */
export function setNext(context: ApiContext, before: number | undefined): void {
  if (before === undefined) return;
  const { pathname, searchParams } = new URL(context.req.url);
  searchParams.set('before', String(before));
  context.header('link', `<${pathname}?${searchParams}>; rel="next"`);
}
