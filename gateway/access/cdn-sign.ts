// The MD5 forms of signed addresses, which CDNs check at their edge (docs/access.md shows both ends):
//   nginx  ?md5=<base64url>&expires=<s>[&epoch=<n>]
//          md5 = MD5(`<expires><path> [<epoch> ]<key>`), as ngx_http_secure_link_module computes it
//   type A ?auth_key=<expires>-<rand>-<epoch>-<hex>
//          hex = MD5(`<path>-<expires>-<rand>-<epoch>-<key>`), URL authentication A of Alibaba Cloud CDN
// MD5 is what CDNs speak; it stands on the key being secret and long, not on MD5 having no collisions.
import { createHash, timingSafeEqual } from 'node:crypto';
import { livePaths, MAX_EPOCH, replayPaths, type PlaybackResource } from '#shared/contract/playback.ts';
import { isRepeated, type SignCheck } from '#server/playback-sign.ts';
import type { AccessRequest } from './decide.ts';

const PARAMETERS = ['md5', 'auth_key', 'expires', 'epoch', 'viewer'];
const EXPIRES = /^[1-9]\d{0,9}$/;
const EPOCH = /^[1-9]\d{0,5}$/;
const NGINX_SIGN = /^[A-Za-z0-9_-]{22}$/;
const TYPE_A = /^([1-9]\d{0,9})-([A-Za-z0-9]{1,64})-(\d{1,6})-([0-9a-f]{32})$/;

/** Checks a query that has `md5` or `auth_key`. */
export function checkCdnSign(key: string, request: AccessRequest): SignCheck {
  const { query, nowMs } = request;
  if (isRepeated(query, PARAMETERS)) return 'signature-invalid';
  const found = query.has('md5') ? nginx(key, request) : typeA(key, request);
  if (typeof found === 'string') return found;
  return found.expires * 1_000 < nowMs ? 'signature-expired' : found;
}

function nginx(key: string, request: AccessRequest): SignCheck {
  const { query } = request;
  const sign = query.get('md5') ?? '';
  const expires = query.get('expires');
  const epoch = query.get('epoch');
  if (expires === null) return 'signature-missing';
  if (!NGINX_SIGN.test(sign) || !EXPIRES.test(expires)) return 'signature-invalid';
  if (epoch !== null && !EPOCH.test(epoch)) return 'signature-invalid';
  const given = Buffer.from(sign, 'base64url');
  const suffix = epoch === null ? ` ${key}` : ` ${epoch} ${key}`;
  const good = signedPaths(request).some((path) => isSame(given, `${expires}${path}${suffix}`));
  return good ? { expires: Number(expires), epoch: Number(epoch ?? 0) } : 'signature-invalid';
}

function typeA(key: string, request: AccessRequest): SignCheck {
  const [, expires, rand, uid, hex] = TYPE_A.exec(request.query.get('auth_key') ?? '') ?? [];
  if (expires === undefined || hex === undefined) return 'signature-invalid';
  const epoch = Number(uid);
  if (epoch > MAX_EPOCH) return 'signature-invalid';
  const given = Buffer.from(hex, 'hex');
  const suffix = `-${expires}-${rand}-${uid}-${key}`;
  const good = signedPaths(request).some((path) => isSame(given, `${path}${suffix}`));
  return good ? { expires: Number(expires), epoch } : 'signature-invalid';
}

/**
 * The paths of which a signature opens the request: its own, the resource, and the addresses at which
 * players start. So the signature of a playlist opens its segments, as with HMAC.
 */
function signedPaths({ resource, path }: AccessRequest): string[] {
  const starts = Object.values(startsOf(resource));
  return [...new Set([...(path === undefined ? [] : [path]), resource, ...starts])];
}

function startsOf(resource: PlaybackResource): Readonly<Record<string, string>> {
  const [, area, id = ''] = resource.split('/');
  if (area === 'live') return livePaths(id);
  // What is made for a picture in a list opens no more than that.
  const { still: _, ...starts } = replayPaths(id);
  return starts;
}

function isSame(given: Buffer, text: string): boolean {
  const expected = createHash('md5').update(text).digest();
  return given.length === expected.length && timingSafeEqual(given, expected);
}
