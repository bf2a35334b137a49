// Joins the interactive plane: journal, outbox, workers, rooms, signalling and the internal API.
import { join } from 'node:path';
import type { Server } from 'node:http';
import { trustedProxies } from '#server/forwarded.ts';
import { sendError } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import { openOutbox } from '#server/outbox.ts';
import { isErrno, type Secrets } from '#server/secrets.ts';
import { closeServer, createServer, listen, serveHealth, type RunningService } from '#server/service.ts';
import type { Settings } from '#server/settings.ts';
import { TokenBuckets } from '#server/token-buckets.ts';
import { gatewayClient } from './gateway.ts';
import { internalApi } from './internal.ts';
import { openJournal } from './journal.ts';
import { createMediaPlane } from './media/room-media.ts';
import { Workers } from './media/workers.ts';
import { sfuMetrics } from './metrics.ts';
import { Rooms } from './room/rooms.ts';
import { serveSignalling } from './signalling/server.ts';
import { askGateway } from './whip/access.ts';
import { Endpoint } from './whip/endpoint.ts';
import { iceServerLinks } from './whip/links.ts';
import { whepOpener } from './whip/whep.ts';
import { whipOpener } from './whip/whip.ts';
import { serveStatus } from './status.ts';

/** Offers of one address: each makes a transport. A school is one, and all of a class come within a minute. */
const WHEP_RATE = { capacity: 100, perSecond: 5 };

export interface RunningSfu extends RunningService {
  /** Where it listens. */
  readonly port: number;
  /** Process ids of the media workers that run. */
  workerPids(): number[];
}

/** Starts the SFU. Throws an Error of one line that says what a person must do. */
export async function startSfu(settings: Settings, secrets: Secrets, log: Log): Promise<RunningSfu> {
  // In the order of making; closed from the last to the first.
  const owned: (() => void | Promise<void>)[] = [];
  const close = async () => {
    for (let end = owned.pop(); end !== undefined; end = owned.pop()) await end();
  };
  try {
    const folder = join(settings.LECTERN_DATA, 'sfu');
    const journal = openJournal(join(folder, 'rooms.db'), log);
    owned.push(() => journal.close());
    const outbox = openOutbox({
      path: join(folder, 'outbox.db'),
      service: 'sfu',
      schoolUrl: settings.LECTERN_SCHOOL_URL,
      secret: secrets.internal,
      log,
    });
    owned.push(() => outbox.close());
    const workers = await Workers.start(settings, log);
    owned.push(() => workers.close());
    const rooms = new Rooms({
      media: createMediaPlane(workers, settings, log),
      journal,
      gateway: gatewayClient(settings.LECTERN_GATEWAY_URL, secrets.internal),
      log,
      publish: (event) => outbox.add(event),
      publishNow: (event) => outbox.addNow(event),
      now: Date.now,
    });
    owned.push(() => rooms.free());
    const internal = internalApi(rooms, secrets.internal);
    const decide = askGateway(settings.LECTERN_GATEWAY_URL, secrets.internal);
    const proxies = trustedProxies(settings.LECTERN_TRUSTED_PROXIES);
    const endpoint = {
      links: iceServerLinks(settings.LECTERN_ICE_SERVERS ?? ''),
      trustedProxies: proxies,
      log,
    };
    const offers = new TokenBuckets({ ...WHEP_RATE, now: () => performance.now() });
    const whep = new Endpoint({ ...endpoint, name: 'whep', open: whepOpener(rooms, decide), offers });
    const whip = new Endpoint({ ...endpoint, name: 'whip', open: whipOpener(rooms, decide) });
    const told = { rooms, workers, outbox: outbox.size, secret: secrets.internal, log };
    const http = createServer((request, response) => {
      if (serveHealth(request, response, metrics, () => workers.ready)) return;
      if (serveStatus(request, response, told)) return;
      const served = async () => {
        if ((await whip.serve(request, response)) || (await whep.serve(request, response))) return;
        await internal(request, response);
      };
      served().catch((error: unknown) => sendError(response, error, log, request.url));
    });
    const signalling = serveSignalling({ http, rooms, secret: secrets.ticket, trustedProxies: proxies, log });
    const { size: sockets, refusals } = signalling;
    const metrics = sfuMetrics({ rooms, workers, sockets, refusals, outbox: outbox.size });
    const port = await listenForDoor(http, settings);
    owned.push(() => closeServer(http));
    owned.push(() => signalling.close());
    rooms.restore();
    log.info({ port, workers: workers.pids().length }, 'sfu listens');
    let closing: Promise<void> | undefined;
    return { port, workerPids: () => workers.pids(), close: () => (closing ??= close()) };
  } catch (error) {
    await close();
    throw error;
  }
}

/** On this machine the door comes over loopback; from another one it comes to the outer address. */
async function listenForDoor(http: Server, settings: Settings): Promise<number> {
  const { LECTERN_SFU_PORT, LECTERN_SFU_URL, LECTERN_HOST } = settings;
  const local = ['127.0.0.1', 'localhost'].includes(new URL(LECTERN_SFU_URL).hostname);
  try {
    return await listen(http, LECTERN_SFU_PORT, local ? '127.0.0.1' : LECTERN_HOST);
  } catch (error) {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
    throw new Error(`Port ${LECTERN_SFU_PORT} is taken: free it, or set LECTERN_SFU_PORT to another.`);
  }
}
