// The ground under the REST routes: one shape for refusals, limits, and what is known of the client.
import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ErrorBody, ERRORS, LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { Log } from '#server/log.ts';
import type { TokenBuckets } from '#server/token-buckets.ts';

/** The largest body of a request, in bytes. */
const MAX_BODY_BYTES = 64 * 1024;

export interface ApiEnv {
  Bindings: HttpBindings;
}
export type Api = OpenAPIHono<ApiEnv>;
export type ApiContext = Context<ApiEnv>;

/** The `security` of a route that also serves those who are not signed in. */
export const ANYONE: Record<string, string[]>[] = [{}, { apiKey: [] }, { session: [] }];

/** Refusals of the framework, by their status. */
const FRAMEWORK_CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'bad-request',
  413: 'too-large',
  415: 'unsupported-media-type',
};

/** Makes a router whose refusals all are `{error: {code, message}}`; `measure` sees every request. */
export function createApi(log: Log, measure: MiddlewareHandler<ApiEnv>): Api {
  const api = new OpenAPIHono<ApiEnv>({
    defaultHook(result) {
      if (result.success) return;
      // A path with an id that cannot be one leads nowhere.
      if (result.target === 'param') throw new LecternError('not-found');
      const issue = result.error.issues[0];
      const where = issue?.path.join('.') || 'The request';
      throw new LecternError('bad-request', `${where}: ${issue?.message ?? 'is wrong'}`);
    },
  });
  api.use('*', measure);
  api.use(
    '*',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => {
        throw new LecternError('too-large');
      },
    }),
  );
  api.use('*', async (context, next) => {
    await next();
    context.header('cache-control', 'no-store');
  });
  api.onError((error, context) => {
    const refusal = asRefusal(error);
    if (refusal.code === 'internal-error') {
      log.error({ err: error, method: context.req.method, url: context.req.path }, 'request failed');
    }
    return refuse(context, refusal);
  });
  api.notFound((context) => {
    const allowed = methodsAt(api, context.req.path);
    if (allowed.length === 0) return refuse(context, new LecternError('not-found'));
    context.header('allow', allowed.join(', '));
    return refuse(context, new LecternError('method-not-allowed'));
  });
  return api;
}

function refuse(context: Context, refusal: LecternError): Response {
  return context.json(refusal.toBody(), refusal.status as ContentfulStatusCode);
}

function asRefusal(error: unknown): LecternError {
  if (error instanceof LecternError) return error;
  const code = error instanceof HTTPException ? FRAMEWORK_CODES[error.status] : undefined;
  return new LecternError(code ?? 'internal-error');
}

/** Which methods the routes at `path` take. */
function methodsAt(api: Api, path: string): string[] {
  const methods = api.routes
    .filter(({ method }) => method !== 'ALL')
    .filter((route) => new RegExp(`^${route.path.replace(/:[^/]+/g, '[^/]+')}$`).test(path))
    .map(({ method }) => method);
  return [...new Set(methods)];
}

/** Throws LecternError `rate-limited` where a bucket says to wait; 0 is not at all. */
export function refuseFor(context: ApiContext, waitS: number): void {
  if (waitS === 0) return;
  context.header('retry-after', String(waitS));
  throw new LecternError('rate-limited');
}

/** Refuses with `rate-limited` when the client's bucket is empty. */
export function limitRate(
  buckets: TokenBuckets,
  ipOf: (context: ApiContext) => string,
): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    refuseFor(context, buckets.take(ipOf(context)));
    await next();
  };
}

/** What a route's description says of a JSON body that it takes. */
export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { 'application/json': { schema } },
});

/** What a route's description says of an answer in JSON. */
export const asJson = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
});

/** What a route's description says of its refusals: a response for each status. */
export function refusals(...codes: ErrorCode[]): object {
  const byStatus = new Map<number, string[]>();
  // Where a key is looked at, wrong ones are counted.
  const keyed: ErrorCode[] = codes.includes('unauthorized') ? ['rate-limited'] : [];
  for (const code of new Set([...codes, ...keyed])) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${code}\`: ${ERRORS[code].message}`]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, texts]) => [status, asJson(texts.join(' '), ErrorBody)]),
  );
}
