// Joins the control plane: database, jobs, topics, REST and the events of the other services.
import { getRequestListener } from '@hono/node-server';
import { LecternError } from '#shared/contract/errors.ts';
import type { EventBatch, ServiceEvent } from '#shared/contract/internal.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { clientOf, trustedProxies } from '#server/forwarded.ts';
import { serveInternal } from '#server/internal-server.ts';
import type { Log } from '#server/log.ts';
import { Owned } from '#server/owned.ts';
import type { Secrets } from '#server/secrets.ts';
import { closeServer, createServer, listen, serveHealth, type RunningService } from '#server/service.ts';
import type { Settings } from '#server/settings.ts';
import { createPushes } from './access/pushes.ts';
import { addLinkRoutes } from './access/link-routes.ts';
import { addAccessRoutes } from './access/routes.ts';
import { AccessService } from './access/service.ts';
import { openDatabase, type Database } from './database/database.ts';
import { forgetErased } from './database/engine.ts';
import { Jobs } from './jobs/jobs.ts';
import { Webhook } from './jobs/webhook.ts';
import { applyEvents } from './events/service.ts';
import { createApi, limitRate, type Api, type ApiContext } from './http/api.ts';
import { addDocument } from './http/document.ts';
import { TokenBuckets } from '#server/token-buckets.ts';
import { Links } from './lessons/links.ts';
import { addLessonRoutes } from './lessons/routes.ts';
import { viewerMark } from './lessons/watching.ts';
import { Lessons } from './lessons/service.ts';
import { schoolMetrics, type SchoolMetrics } from './metrics.ts';
import { serviceClients, type ServiceClients } from './clients.ts';
import { Admission } from './people/admission.ts';
import { Owner } from './people/owner.ts';
import { addSessionRoutes } from './people/routes.ts';
import { playbackLimits, searchLimits } from './people/playback-limits.ts';
import { Sessions } from './people/sessions.ts';
import { TicketLimits } from './people/ticket-limits.ts';
import { Tokens } from './people/tokens.ts';
import { WrongKeys } from './people/wrong-keys.ts';
import { addRecordingRoutes } from './recordings/routes.ts';
import { Retention } from './recordings/retention.ts';
import { Recordings } from './recordings/service.ts';
import { addShareRoutes } from './recordings/share-routes.ts';
import { Shares } from './recordings/shares.ts';
import { addStatusRoutes } from './status/routes.ts';
import { StatusWatcher } from './status/watcher.ts';
import { addRelayRoutes } from './relays/routes.ts';

/** Services are reached by the door on this machine, or by a private network's own proxy. */
const HOST = '127.0.0.1';
/** Events after which the gateway, or the operator's webhook, has to be told something. */
const TELLING: readonly ServiceEvent['type'][] = ['gateway:started', 'room:closed', 'recording:changed'];
/** New links: a person presses a button. */
const LINK_RATE = { capacity: 20, perSecond: 0.5 };

export interface RunningSchool extends RunningService {
  /** Where it listens. */
  readonly port: number;
}

/** Starts the school. Throws an Error of one line that says what a person must do. */
export async function startSchool(settings: Settings, secrets: Secrets, log: Log): Promise<RunningSchool> {
  const owned = new Owned();
  const db = await openDatabase(settings, log);
  owned.onClose(() => db.destroy());
  const clients = serviceClients(settings, secrets.internal);
  const webhook = new Webhook({ db, target: settings.school.webhook, log, now: Date.now });
  const jobs = owned.keep(new Jobs(db, clients, createPushes(db, clients), webhook, log));
  const metrics = schoolMetrics(db, () => jobs.count());
  const watcher = new StatusWatcher({ clients, now: Date.now, log });
  const { api, retention } = buildApi({ settings, secrets, log, db, clients, jobs, metrics, watcher });
  owned.keep(retention);
  const deliverEvents = async ({ body: batch }: { body: EventBatch }) => {
    metrics.countEvents(batch, await applyEvents(db, batch, log));
    // A gateway that is back is told at once what it missed; so it is of the end of a class.
    const tells = batch.events.some(({ event }) => TELLING.includes(event.type));
    if (tells) void jobs.run();
    if (batch.events.some(({ event }) => event.type === 'chat:deleted')) await forgetErased(db);
  };
  const internal = serveInternal(INTERNAL.school, { deliverEvents }, secrets.internal, log);
  const rest = getRequestListener(api.fetch, {
    // What cannot be made a request of, such as a host name that is none.
    errorHandler: () => Response.json(new LecternError('bad-request').toBody(), { status: 400 }),
  });
  const http = createServer((request, response) => {
    if (serveHealth(request, response, metrics.registry, () => http.listening)) return;
    if (!internal(request, response)) void rest(request, response);
  });
  owned.onClose(() => closeServer(http));
  owned.keep(watcher);
  try {
    const port = await listen(http, settings.school.port, HOST);
    void jobs.run();
    void retention.look();
    log.info({ port }, 'school listens');
    return { port, close: () => owned.close() };
  } catch (error) {
    await owned.close();
    throw error;
  }
}

interface Parts {
  settings: Settings;
  secrets: Secrets;
  log: Log;
  db: Database;
  clients: ServiceClients;
  jobs: Jobs;
  metrics: SchoolMetrics;
  watcher: StatusWatcher;
}

function buildApi({ settings, secrets, log, db, clients, jobs, metrics, watcher }: Parts): {
  api: Api;
  retention: Retention;
} {
  const now = Date.now;
  const origin = settings.door.origin;
  const proxies = trustedProxies(settings.trustedProxies);
  const ipOf = (context: ApiContext) => clientOf(context.env.incoming, proxies).ip;

  const tokens = new Tokens(secrets, now);
  const links = new Links(settings, secrets, tokens, now);
  const sessions = new Sessions(db, secrets, now);
  const owner = new Owner({
    sessions,
    wrongKeys: new WrongKeys({ ipOf, now, count: metrics.countWrongKey, log }),
    ownerKey: secrets.owner,
    apiKey: settings.school.apiKey,
    publicUrl: origin,
    trustedProxies: proxies,
  });
  const admission = new Admission(db, tokens, owner);
  const lessons = new Lessons({
    db,
    jobs,
    links,
    tokens,
    sfu: clients.sfu,
    log,
    now,
    recordingMode: settings.school.recordingMode,
    split: settings.school.split,
  });
  const limits = settings.school.retention;
  const recordings = new Recordings({ db, jobs, links, clients, log, now, limits });
  const shares = new Shares({ db, jobs, links, tokens, log, now });
  const retention = new Retention({
    db,
    limits,
    erase: (id) => recordings.delete(id, { unlessKept: true }),
    log,
    now,
  });

  const root = createApi(log, metrics.measure);
  const api = root.basePath('/api/v1');
  const ownerOnly = owner.only;
  const playback = playbackLimits(ipOf, now);
  const markOf = (context: ApiContext, lesson: string, ip = ipOf(context)) =>
    viewerMark(secrets.playback, lesson, ip);
  const isSecure = origin.startsWith('https:');
  addSessionRoutes(api, { owner, sessions, isSecure, log });
  addLessonRoutes(api, {
    lessons,
    recordings,
    links,
    admission,
    ownerOnly,
    tickets: new TicketLimits(ipOf, now),
    limits: playback,
    markOf,
    watchingOf: (lesson) => watcher.watching(lesson),
  });
  const access = new AccessService({ db, jobs, clients, links, log, now });
  addAccessRoutes(api, { access, lessons, clients, ownerOnly, ipOf });
  const limit = limitRate(new TokenBuckets({ ...LINK_RATE, now }), ipOf);
  addLinkRoutes(api, { access, admission, links, limit });
  const searching = searchLimits(ipOf, now);
  addRecordingRoutes(api, {
    recordings,
    shares,
    retention,
    admission,
    ownerOnly,
    limits: playback,
    searching,
    markOf,
  });
  addShareRoutes(api, { shares, ownerOnly });
  addStatusRoutes(api, { watcher, ownerOnly });
  addRelayRoutes(api, { lessons, clients, ownerOnly });
  addDocument(api, origin);
  return { api: root, retention };
}
