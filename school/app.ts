// Joins the control plane: database, errands, topics, REST and the events of the other services.
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { LecternError } from '#shared/contract/errors.ts';
import type { ServiceEvent } from '#shared/contract/internal.ts';
import { clientOf, trustedProxies } from '#server/forwarded.ts';
import type { Log } from '#server/log.ts';
import type { Secrets } from '#server/secrets.ts';
import { closeServer, createServer, listen, serveHealth, type RunningService } from '#server/service.ts';
import { publicUrl, type Settings } from '#server/settings.ts';
import { createPushes } from './access/pushes.ts';
import { addLinkRoutes } from './access/link-routes.ts';
import { addAccessRoutes } from './access/routes.ts';
import { AccessService } from './access/service.ts';
import { forgetErased, openDatabase, type Database } from './database.ts';
import { Errands } from './errands/errands.ts';
import { internalApi } from './events/routes.ts';
import { applyEvents } from './events/service.ts';
import { createApi, limitRate, type Api, type ApiContext } from './http/api.ts';
import { addDocument } from './http/document.ts';
import { TokenBuckets } from '#server/token-buckets.ts';
import { Links } from './lessons/links.ts';
import { addLessonRoutes } from './lessons/routes.ts';
import { viewerMark } from './lessons/watching.ts';
import { Lessons } from './lessons/service.ts';
import { schoolMetrics, type SchoolMetrics } from './metrics.ts';
import { reachNeighbours, type Neighbours } from './neighbours.ts';
import { Admission } from './people/admission.ts';
import { Owner } from './people/owner.ts';
import { addSessionRoutes } from './people/routes.ts';
import { playbackLimits } from './people/playback-limits.ts';
import { Sessions } from './people/sessions.ts';
import { TicketLimits } from './people/ticket-limits.ts';
import { Tokens } from './people/tokens.ts';
import { WrongKeys } from './people/wrong-keys.ts';
import { addRecordingRoutes } from './recordings/routes.ts';
import { Recordings } from './recordings/service.ts';
import { addStatusRoutes } from './status/routes.ts';
import { StatusWatcher } from './status/watcher.ts';
import { addRelayRoutes } from './relays/routes.ts';

/** Services are reached by the door on this machine, or by a private network's own proxy. */
const HOST = '127.0.0.1';
/** Events after which the gateway has to be told something. */
const TELLING: readonly ServiceEvent['type'][] = ['gateway:started', 'room:closed'];
/** New links: a person presses a button. */
const LINK_RATE = { capacity: 20, perSecond: 0.5 };

export interface RunningSchool extends RunningService {
  /** Where it listens. */
  readonly port: number;
}

/** Starts the school. Throws an Error of one line that says what a person must do. */
export async function startSchool(settings: Settings, secrets: Secrets, log: Log): Promise<RunningSchool> {
  const db = await openDatabase(join(settings.LECTERN_DATA, 'school', 'lectern.db'));
  const neighbours = reachNeighbours(settings, secrets.internal);
  const errands = new Errands(db, neighbours, createPushes(db, neighbours), log);
  const metrics = schoolMetrics(db, () => errands.count());
  const watcher = new StatusWatcher({ settings, secret: secrets.internal, now: Date.now, log });
  const api = buildApi({ settings, secrets, log, db, neighbours, errands, metrics, watcher });
  const internal = internalApi({
    secret: secrets.internal,
    async apply(batch) {
      metrics.countEvents(batch, await applyEvents(db, batch, log));
      // A gateway that is back is told at once what it missed; so it is of the end of a class.
      const tells = batch.events.some(({ event }) => TELLING.includes(event.type));
      if (tells) void errands.run();
      if (batch.events.some(({ event }) => event.type === 'chat:deleted')) await forgetErased(db);
    },
    log,
  });
  const rest = getRequestListener(api.fetch, {
    // What cannot be made a request of, such as a host name that is none.
    errorHandler: () => Response.json(new LecternError('bad-request').toBody(), { status: 400 }),
  });
  let closing: Promise<void> | undefined;
  const http = createServer((request, response) => {
    if (serveHealth(request, response, metrics.registry, () => closing === undefined)) return;
    const handle = request.url?.startsWith('/internal/') ? internal : rest;
    void handle(request, response);
  });
  const close = async () => {
    watcher.close();
    await closeServer(http);
    await errands.close();
    await db.destroy();
  };
  try {
    const port = await listen(http, settings.LECTERN_SCHOOL_PORT, HOST);
    void errands.run();
    log.info({ port }, 'school listens');
    return { port, close: () => (closing ??= close()) };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  settings: Settings;
  secrets: Secrets;
  log: Log;
  db: Database;
  neighbours: Neighbours;
  errands: Errands;
  metrics: SchoolMetrics;
  watcher: StatusWatcher;
}

function buildApi({ settings, secrets, log, db, neighbours, errands, metrics, watcher }: Parts): Api {
  const now = Date.now;
  const origin = publicUrl(settings);
  const proxies = trustedProxies(settings.LECTERN_TRUSTED_PROXIES);
  const ipOf = (context: ApiContext) => clientOf(context.env.incoming, proxies).ip;

  const tokens = new Tokens(secrets, now);
  const links = new Links(settings, secrets, tokens, now);
  const sessions = new Sessions(db, secrets, now);
  const owner = new Owner({
    sessions,
    wrongKeys: new WrongKeys({ ipOf, now, count: metrics.countWrongKey, log }),
    ownerKey: secrets.owner,
    apiKey: settings.LECTERN_API_KEY,
    publicUrl: origin,
    trustedProxies: proxies,
  });
  const admission = new Admission(db, tokens, owner);
  const lessons = new Lessons({ db, errands, links, tokens, log, now });
  const recordings = new Recordings({ db, errands, links, neighbours, log, now });

  const root = createApi(log, metrics.measure);
  const api = root.basePath('/api/v1');
  const ownerOnly = owner.only;
  const limits = playbackLimits(ipOf, now);
  const isSecure = origin.startsWith('https:');
  addSessionRoutes(api, { owner, sessions, isSecure, log });
  addLessonRoutes(api, {
    lessons,
    recordings,
    links,
    admission,
    ownerOnly,
    tickets: new TicketLimits(ipOf, now),
    limits,
    markOf: (context, lesson, ip = ipOf(context)) => viewerMark(secrets.playback, lesson, ip),
  });
  const access = new AccessService({ db, errands, neighbours, links, log, now });
  addAccessRoutes(api, { access, lessons, neighbours, ownerOnly, ipOf });
  const limit = limitRate(new TokenBuckets({ ...LINK_RATE, now }), ipOf);
  addLinkRoutes(api, { access, admission, links, limit });
  addRecordingRoutes(api, { recordings, admission, ownerOnly, limits });
  addStatusRoutes(api, { watcher, ownerOnly });
  addRelayRoutes(api, { lessons, neighbours, ownerOnly });
  addDocument(api, origin);
  return root;
}
