// `/session`: signing the owner in and out.
import { createRoute } from '@hono/zod-openapi';
import { deleteCookie, setCookie } from 'hono/cookie';
import type { MiddlewareHandler } from 'hono';
import { LecternError } from '#shared/contract/errors.ts';
import { Session, SessionCreate } from '#shared/contract/rest.ts';
import type { Log } from '#server/log.ts';
import { ANYONE, asJson, jsonBody, refusals, type Api, type ApiEnv } from '../http/api.ts';
import { SESSION_COOKIE, type Owner } from './owner.ts';
import { SESSION_TTL_S, type Tokens } from './tokens.ts';

export interface SessionRoutes {
  owner: Owner;
  tokens: Tokens;
  /** True if people come over https, so that the cookie never goes without. */
  isSecure: boolean;
  limit: MiddlewareHandler<ApiEnv>;
  log: Log;
}

export function addSessionRoutes(api: Api, { owner, tokens, isSecure, limit, log }: SessionRoutes): void {
  const cookie = { path: '/', httpOnly: true, sameSite: 'Lax', secure: isSecure } as const;

  api.openapi(
    createRoute({
      method: 'post',
      path: '/session',
      tags: ['session'],
      summary: 'Sign in with the key of the owner link; the answer sets a cookie.',
      security: ANYONE,
      middleware: limit,
      request: { body: jsonBody(SessionCreate) },
      responses: {
        200: asJson('Signed in.', Session),
        ...refusals('bad-request', 'unauthorized', 'rate-limited'),
      },
    }),
    async (context) => {
      if (!owner.holdsKey(context.req.valid('json').key)) {
        throw new LecternError('unauthorized', 'This owner link is not the one of this Lectern.');
      }
      setCookie(context, SESSION_COOKIE, await tokens.session(), { ...cookie, maxAge: SESSION_TTL_S });
      log.info('owner signed in');
      return context.json({ role: 'owner' as const }, 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/session',
      tags: ['session'],
      summary: 'Who you are.',
      security: ANYONE,
      responses: { 200: asJson('Who you are.', Session), ...refusals('unauthorized') },
    }),
    async (context) => {
      const role = (await owner.isOwner(context)) ? ('owner' as const) : ('anonymous' as const);
      return context.json({ role }, 200);
    },
  );

  api.openapi(
    createRoute({
      method: 'delete',
      path: '/session',
      tags: ['session'],
      summary: 'Sign out.',
      security: ANYONE,
      responses: { 204: { description: 'Signed out.' }, ...refusals('forbidden') },
    }),
    (context) => {
      owner.requireSameOrigin(context);
      deleteCookie(context, SESSION_COOKIE, cookie);
      return context.body(null, 204);
    },
  );
}
