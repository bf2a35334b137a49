// How a service answers the others: a handler for each request of a table, behind the secret.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { PathParams, type Answer, type Endpoints, type Received } from '#shared/contract/internal-api.ts';
import { check, readJson, requireBearer, sendError, sendJson } from './http.ts';
import type { Log } from './log.ts';

/** What each request does. They may throw LecternError. */
export type Handlers<T extends Endpoints> = {
  readonly [N in keyof T]: (request: Received<T[N]>) => Answer<T[N]> | Promise<Answer<T[N]>>;
};

/** Answers the request; returns false if it is for something else. */
export type InternalApi = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Answers all below `/internal/`. Without the secret nobody learns what there is. */
export function serveInternal<T extends Endpoints>(
  table: T,
  handlers: Handlers<T>,
  secret: string,
  log: Log,
): InternalApi {
  const routes = Object.entries(table).map(([name, endpoint]) => ({
    ...endpoint,
    handle: handlers[name as keyof T],
    pattern: new RegExp(`^${endpoint.path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
  }));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requireBearer(request, secret);
    const [path = '', search = ''] = (request.url ?? '').split('?', 2);
    const here = routes.filter(({ pattern }) => pattern.test(path));
    if (here.length === 0) throw new LecternError('not-found');
    const route = here.find(({ method }) => method === request.method);
    if (route === undefined) {
      response.setHeader('allow', here.map(({ method }) => method).join(', '));
      throw new LecternError('method-not-allowed');
    }
    const { pattern, query, body, maxBytes } = route;
    // It is given what the schemas of the same row have checked.
    const handle: (request: never) => unknown = route.handle;
    const received = {
      params: check(PathParams, pattern.exec(path)?.groups ?? {}),
      ...(query && { query: check(query, Object.fromEntries(new URLSearchParams(search))) }),
      ...(body && { body: await readJson(request, body, maxBytes) }),
    };
    sendJson(response, 200, (await handle(received as never)) ?? {});
  }

  return (request, response) => {
    if (request.url?.startsWith('/internal/') !== true) return false;
    answer(request, response).catch((error: unknown) => sendError(response, error, log, request.url));
    return true;
  };
}
