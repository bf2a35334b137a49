// `/session` and `/sessions`: signing the owner in and out.
import { createRoute } from '@hono/zod-openapi';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { Session, SessionCreate, SessionsEnded } from '#shared/contract/rest.ts';
import type { Log } from '#server/log.ts';
import { ANYONE, asJson, jsonBody, refusals, type Api } from '../http/api.ts';
import { SESSION_COOKIE, type Owner } from './owner.ts';
import { SESSION_TTL_S, type Sessions } from './sessions.ts';

export interface SessionRoutes {
  owner: Owner;
  sessions: Sessions;
  /** True if people come over https, so that the cookie never goes without. */
  isSecure: boolean;
  log: Log;
}

export function addSessionRoutes(api: Api, { owner, sessions, isSecure, log }: SessionRoutes): void {
  const cookie = { path: '/', httpOnly: true, sameSite: 'Lax', secure: isSecure } as const;

  api.openapi(
    createRoute({
      method: 'post',
      path: '/session',
      tags: ['session'],
      summary: 'Sign in with the key of the owner link; the answer sets a cookie.',
      security: ANYONE,
      request: { body: jsonBody(SessionCreate) },
      responses: {
        200: asJson('Signed in.', Session),
        ...refusals('bad-request', 'unauthorized', 'rate-limited'),
      },
    }),
    async (context) => {
      owner.requireKey(context, context.req.valid('json').key);
      const token = await sessions.begin(getCookie(context, SESSION_COOKIE));
      setCookie(context, SESSION_COOKIE, token, { ...cookie, maxAge: SESSION_TTL_S });
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
      summary: 'Sign out: no copy of the cookie opens anything any more.',
      security: ANYONE,
      responses: { 204: { description: 'Signed out.' }, ...refusals('forbidden') },
    }),
    async (context) => {
      owner.requireSameOrigin(context);
      const token = getCookie(context, SESSION_COOKIE);
      if (token !== undefined && (await sessions.end(token))) log.info('owner signed out');
      deleteCookie(context, SESSION_COOKIE, cookie);
      return context.body(null, 204);
    },
  );

  api.openapi(
    createRoute({
      method: 'delete',
      path: '/sessions',
      tags: ['session'],
      summary: 'Sign out everywhere: ends every sign-in by the owner link, this one included.',
      middleware: owner.only,
      responses: {
        200: asJson('How many there were.', SessionsEnded),
        ...refusals('unauthorized', 'forbidden'),
      },
    }),
    async (context) => {
      const ended = await sessions.endAll();
      log.info({ ended }, 'owner signed out everywhere');
      deleteCookie(context, SESSION_COOKIE, cookie);
      return context.json({ ended }, 200);
    },
  );
}
