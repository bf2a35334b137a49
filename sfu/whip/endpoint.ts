// The HTTP side of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): POST an offer and get an answer at a new
// address, PATCH for ICE, DELETE to end. What an offer opens is for `open` to decide.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { ChannelId } from '#shared/contract/ids.ts';
import { clientOf } from '#server/forwarded.ts';
import { readBody, sendError } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import { isTaken } from '#server/negotiation.ts';
import type { TokenBuckets } from '#server/token-buckets.ts';
import type { IceAnswer } from '../room/ports.ts';
import { MAX_FRAGMENT_BYTES, readFragment, writeFragment } from '../sdp/fragment.ts';
import { MAX_SDP_BYTES, readOffer, type Offer } from '../sdp/offer.ts';

const SDP = 'application/sdp';
/** In an Accept, the most specific first. */
const ANSWERS = [SDP, 'application/*', '*/*'];
/** RFC 8840 §9.3. */
const FRAGMENT = 'application/trickle-ice-sdpfrag';
const MAX_URL_LENGTH = 4_096;
/** How long a browser may remember what it asked of another origin, in s. */
const PREFLIGHT_S = '86400';

/** A POST that is well formed. */
export interface OfferAttempt {
  readonly channel: string;
  /** Names the session that is to be; nobody can guess it. */
  readonly id: string;
  readonly offer: Offer;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly ip: string;
  /** To be called once when the session is over. */
  readonly onGone: () => void;
}

/** A session that an offer opened. */
export interface Opened {
  /** The SDP answer. */
  readonly answer: string;
  restartIce(): Promise<IceAnswer>;
  /** Idempotent. */
  close(): void;
}

export interface EndpointOptions {
  readonly name: 'whip' | 'whep';
  /** Throws LecternError for an attempt that is refused. */
  readonly open: (attempt: OfferAttempt) => Promise<Opened>;
  /** Values of Link for each answer. */
  readonly links: readonly string[];
  /** Offers of one address, where they have a rate. */
  readonly offers?: TokenBuckets;
  readonly trustedProxies: ReadonlySet<string>;
  readonly log: Log;
}

interface WhipSession {
  readonly opened: Opened;
  /** The client's ICE user name: another one asks for an ICE restart. */
  ufrag: string;
  etag: string;
}

export class HttpEndpoint {
  readonly #options: EndpointOptions;
  readonly #path: RegExp;
  /** By `<channel>/<id>`. */
  readonly #sessions = new Map<string, WhipSession>();

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#path = new RegExp(`^/${options.name}/([^/]+)(?:/([^/]+))?$`);
  }

  /** How many sessions there are. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Answers what is addressed to this endpoint; false if it is for something else. Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { name, log } = this.#options;
    const url = request.url ?? '';
    if (!url.startsWith(`/${name}/`)) return false;
    allowOrigins(response);
    try {
      if (url.length > MAX_URL_LENGTH) throw new LecternError('too-large', 'The address is too long.');
      const [path = '', query = ''] = url.split('?', 2);
      const [, channel, id] = this.#path.exec(path) ?? [];
      if (channel === undefined || !ChannelId.safeParse(channel).success) throw new LecternError('not-found');
      if (id === undefined) await this.#atChannel(request, response, channel, new URLSearchParams(query));
      else await this.#atSession(request, response, `${channel}/${id}`);
    } catch (error) {
      if (error instanceof LecternError && error.code === 'unauthorized') {
        response.setHeader('www-authenticate', 'Bearer');
      }
      sendError(response, error, log, url);
    }
    return true;
  }

  async #atChannel(
    request: IncomingMessage,
    response: ServerResponse,
    channel: string,
    query: URLSearchParams,
  ): Promise<void> {
    if (request.method === 'OPTIONS') {
      response.setHeader('accept-post', SDP);
      sendPreflight(response, 'POST, OPTIONS');
      return;
    }
    only(request, response, 'POST, OPTIONS', ['POST']);
    if (contentType(request) !== SDP) {
      throw new LecternError('unsupported-media-type', `Send the offer as ${SDP}.`);
    }
    if (!accepts(request.headers.accept)) {
      throw new LecternError('not-acceptable', `The answer is ${SDP}.`);
    }
    const { name, open, links, offers, trustedProxies } = this.#options;
    const { ip } = clientOf(request, trustedProxies);
    const waitS = offers?.take(ip) ?? 0;
    if (waitS > 0) {
      response.setHeader('retry-after', String(waitS));
      throw new LecternError('rate-limited');
    }
    const offer = readOffer((await readBody(request, MAX_SDP_BYTES)).toString('utf8'));
    const id = randomBytes(16).toString('base64url');
    const key = `${channel}/${id}`;
    let gone = false;
    const opened = await open({
      channel,
      id,
      offer,
      query,
      request,
      ip,
      onGone: () => {
        gone = true;
        this.#sessions.delete(key);
      },
    });
    if (gone) throw new LecternError('service-unavailable');
    if (response.destroyed) {
      // The client left before the answer: nobody could end this session.
      opened.close();
      return;
    }
    const etag = newTag();
    this.#sessions.set(key, { opened, ufrag: offer.ice.ufrag, etag });
    if (links.length > 0) response.setHeader('link', [...links]);
    send(response, 201, SDP, opened.answer, {
      location: `/${name}/${key}`,
      etag,
      'accept-patch': FRAGMENT,
    });
  }

  async #atSession(request: IncomingMessage, response: ServerResponse, key: string): Promise<void> {
    const methods = 'PATCH, DELETE, OPTIONS';
    if (request.method === 'OPTIONS') {
      response.setHeader('accept-patch', FRAGMENT);
      sendPreflight(response, methods);
      return;
    }
    only(request, response, methods, ['PATCH', 'DELETE']);
    const session = this.#sessions.get(key);
    if (session === undefined) throw new LecternError('not-found');
    if (request.method === 'PATCH') {
      await this.#patch(request, response, session);
      return;
    }
    session.opened.close();
    this.#sessions.delete(key);
    response.writeHead(200, { 'content-length': 0 });
    response.end();
  }

  /** Trickled candidates, or an ICE restart (RFC 9725 §4.3). */
  async #patch(request: IncomingMessage, response: ServerResponse, session: WhipSession): Promise<void> {
    if (contentType(request) !== FRAGMENT) {
      response.setHeader('accept-patch', FRAGMENT);
      throw new LecternError('unsupported-media-type', `Send the fragment as ${FRAGMENT}.`);
    }
    const match = request.headers['if-match'];
    if (match === undefined) throw new LecternError('precondition-required');
    const body = await readBody(request, MAX_FRAGMENT_BYTES);
    const tags = match.split(',').map((tag) => tag.trim());
    if (!tags.includes('*') && !tags.includes(session.etag)) throw new LecternError('precondition-failed');
    const { ufrag = session.ufrag } = readFragment(body.toString('utf8'));
    if (ufrag === session.ufrag) {
      response.writeHead(204, { etag: session.etag });
      response.end();
      return;
    }
    const { ice, candidates, mid } = await session.opened.restartIce();
    session.ufrag = ufrag;
    session.etag = newTag();
    send(response, 200, FRAGMENT, writeFragment(ice, mid, candidates), { etag: session.etag });
  }
}

const newTag = () => `"${randomBytes(8).toString('hex')}"`;

const contentType = (request: IncomingMessage): string =>
  (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** Whether a client with this Accept (RFC 9110 §12.5.1) takes SDP; without one it takes anything. */
const accepts = (accept = ''): boolean => accept.trim() === '' || isTaken(accept, ANSWERS);

function only(
  { method }: IncomingMessage,
  response: ServerResponse,
  allowed: string,
  methods: readonly string[],
): void {
  if (methods.includes(method ?? '')) return;
  response.setHeader('allow', allowed);
  throw new LecternError('method-not-allowed');
}

/** Players and encoders live on other origins; the key or the signature is what permits. */
function allowOrigins(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'Location, ETag, Link, Accept-Patch');
}

function sendPreflight(response: ServerResponse, methods: string): void {
  response.writeHead(204, {
    allow: methods,
    'access-control-allow-methods': methods,
    'access-control-allow-headers': 'Authorization, Content-Type, If-Match',
    'access-control-max-age': PREFLIGHT_S,
  });
  response.end();
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(body);
}
