// Who is the owner: the one who holds the API key, or the session cookie that the owner link was traded for.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { LecternError } from '#shared/contract/errors.ts';
import { clientOf } from '#server/forwarded.ts';
import type { ApiContext, ApiEnv } from '../http/api.ts';
import type { Sessions } from './sessions.ts';
import type { WrongKeys } from './wrong-keys.ts';

export const SESSION_COOKIE = 'lectern_session';

const SAFE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

export interface OwnerOptions {
  sessions: Sessions;
  wrongKeys: WrongKeys;
  /** The key in the owner link. */
  ownerKey: string;
  /** LECTERN_API_KEY, if it is set. */
  apiKey: string | undefined;
  /** The origin that people use. */
  publicUrl: string;
  trustedProxies: ReadonlySet<string>;
}

/** Tells the owner from others. */
export class Owner {
  readonly #options: OwnerOptions;

  constructor(options: OwnerOptions) {
    this.#options = options;
  }

  /** Throws LecternError `unauthorized` or `rate-limited` unless `key` is that of the owner link. */
  requireKey(context: ApiContext, key: string): void {
    const { ownerKey, wrongKeys } = this.#options;
    if (isSame(key, ownerKey)) return;
    wrongKeys.refuse(context, 'owner', 'This owner link is not the one of this Lectern.');
  }

  /**
   * True if the request is the owner's, false if it claims nothing.
   * Throws LecternError `unauthorized` or `rate-limited` for a wrong API key, and `forbidden` for a change
   * that another site's page asks for with the owner's cookie.
   */
  async isOwner(context: ApiContext): Promise<boolean> {
    const authorization = context.req.header('authorization');
    if (authorization !== undefined) {
      const { apiKey, wrongKeys } = this.#options;
      if (apiKey !== undefined && isSame(authorization, `Bearer ${apiKey}`)) return true;
      wrongKeys.refuse(context, 'api');
    }
    const cookie = getCookie(context, SESSION_COOKIE);
    if (cookie === undefined || !(await this.#options.sessions.isGood(cookie))) return false;
    this.requireSameOrigin(context);
    return true;
  }

  /** Refuses everyone but the owner: as `require`, for a route. */
  readonly only: MiddlewareHandler<ApiEnv> = async (context, next) => {
    await this.require(context);
    await next();
  };

  /** Throws LecternError `unauthorized`, `rate-limited` or `forbidden` unless the request is the owner's. */
  async require(context: ApiContext): Promise<void> {
    if (!(await this.isOwner(context))) throw new LecternError('unauthorized');
  }

  /**
   * A cookie comes along no matter who made the browser ask, so a change must come from our own pages.
   * Browsers say so in Sec-Fetch-Site (https and localhost) or Origin (everywhere).
   * Throws LecternError `forbidden`.
   */
  requireSameOrigin(context: ApiContext): void {
    if (SAFE_METHODS.includes(context.req.method)) return;
    const site = context.req.header('sec-fetch-site');
    if (site === 'same-origin') return;
    const origin = context.req.header('origin');
    if (site === undefined && origin !== undefined && this.#isOurs(origin, context)) return;
    throw new LecternError('forbidden', 'Only pages of this site may do this with your sign-in.');
  }

  #isOurs(origin: string, context: ApiContext): boolean {
    const { publicUrl, trustedProxies } = this.#options;
    if (origin === new URL(publicUrl).origin) return true;
    return URL.parse(origin)?.host === clientOf(context.env.incoming, trustedProxies).host;
  }
}

/** Compares without telling by the time it takes how much is right, nor how long it is. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
