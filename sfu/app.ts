// Joins the interactive plane: event log, workers, rooms, signalling and the internal API.
import { join } from 'node:path';
import type { Server } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { trustedProxies } from '#server/forwarded.ts';
import { sendError } from '#server/http.ts';
import { atAny, internalClient } from '#server/internal-client.ts';
import type { Log } from '#server/log.ts';
import { Owned } from '#server/owned.ts';
import { isErrno, type Secrets } from '#server/secrets.ts';
import { closeServer, createServer, listen, serveHealth, type RunningService } from '#server/service.ts';
import type { Settings } from '#server/settings.ts';
import { TokenBuckets } from '#server/token-buckets.ts';
import { createInternalApi } from './internal.ts';
import { openEventLog } from './event-log.ts';
import { createMediaPlane } from './media/room-media.ts';
import { Workers } from './media/workers.ts';
import { sfuMetrics } from './metrics.ts';
import { Rooms } from './room/rooms.ts';
import { serveSignalling } from './signalling/server.ts';
import type { Decide } from './whip/access.ts';
import { HttpEndpoint } from './whip/endpoint.ts';
import { iceServerLinks } from './whip/links.ts';
import { whepOpener } from './whip/whep.ts';
import { whipOpener } from './whip/whip.ts';

/** Offers of one address: each makes a transport. A school is one, and all of a class come within a minute. */
const WHEP_RATE = { capacity: 100, perSecond: 5 };

const LOCAL = ['127.0.0.1', 'localhost'];

export interface RunningSfu extends RunningService {
  /** Where it listens. */
  readonly port: number;
  /** Process ids of the media workers that run. */
  workerPids(): number[];
}

/** Starts the SFU. Throws an Error of one line that says what a person must do. */
export async function startSfu(settings: Settings, secrets: Secrets, log: Log): Promise<RunningSfu> {
  const owned = new Owned();
  try {
    const folder = join(settings.dataDir, 'sfu');
    const gateway = internalClient(INTERNAL.gateway, atAny(settings.gateway.addresses), secrets.internal);
    const events = openEventLog({
      path: join(folder, 'events.db'),
      school: internalClient(INTERNAL.school, atAny(settings.school.addresses), secrets.internal),
      log,
    });
    owned.keep(events);
    const workers = await Workers.start(settings, log);
    owned.keep(workers);
    const rooms = new Rooms({
      media: createMediaPlane(workers, settings, log),
      events,
      gateway,
      log,
      now: Date.now,
    });
    owned.onClose(() => rooms.free());
    const decide: Decide = (body) => gateway.decide({ body });
    const proxies = trustedProxies(settings.trustedProxies);
    const endpoint = {
      links: iceServerLinks(settings.sfu.iceServers),
      trustedProxies: proxies,
      log,
    };
    const offers = new TokenBuckets({ ...WHEP_RATE, now: () => performance.now() });
    const whep = new HttpEndpoint({ ...endpoint, name: 'whep', open: whepOpener(rooms, decide), offers });
    const whip = new HttpEndpoint({ ...endpoint, name: 'whip', open: whipOpener(rooms, decide) });
    const outbox = events.waiting;
    const internal = createInternalApi({ rooms, workers, outbox, secret: secrets.internal, log });
    const http = createServer((request, response) => {
      if (serveHealth(request, response, metrics, () => workers.ready)) return;
      if (internal(request, response)) return;
      const served = async () => {
        if ((await whip.serve(request, response)) || (await whep.serve(request, response))) return;
        throw new LecternError('not-found');
      };
      served().catch((error: unknown) => sendError(response, error, log, request.url));
    });
    const signalling = serveSignalling({ http, rooms, secret: secrets.ticket, trustedProxies: proxies, log });
    const { size: sockets, refusals } = signalling;
    const metrics = sfuMetrics({ rooms, workers, sockets, refusals, outbox });
    const port = await listenForDoor(http, settings);
    owned.onClose(() => closeServer(http));
    owned.keep(signalling);
    rooms.restore();
    log.info({ port, workers: workers.pids().length }, 'sfu listens');
    return { port, workerPids: () => workers.pids(), close: () => owned.close() };
  } catch (error) {
    await owned.close();
    throw error;
  }
}

/** On this machine the door comes over loopback; from another one it comes to the outer address. */
async function listenForDoor(http: Server, settings: Settings): Promise<number> {
  const { port, addresses } = settings.sfu;
  const local = addresses.every((one) => LOCAL.includes(new URL(one).hostname));
  try {
    return await listen(http, port, local ? '127.0.0.1' : settings.door.host);
  } catch (error) {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
    throw new Error(`Port ${port} is taken: free it, or set LECTERN_SFU_PORT to another.`);
  }
}
