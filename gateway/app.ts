// Joins the broadcast plane: the media path, what is published from outside, and the servers in front of both.
import { join } from 'node:path';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { atAny, internalClient } from '#server/internal-client.ts';
import { createMetrics, type RunningService } from '#server/service.ts';
import type { Log } from '#server/log.ts';
import { openOutbox } from '#server/outbox.ts';
import { Owned } from '#server/owned.ts';
import type { Secrets } from '#server/secrets.ts';
import type { Settings } from '#server/settings.ts';
import { Access } from './access/access.ts';
import type { Clock } from './channel/sources.ts';
import { composeMedia } from './compose/media.ts';
import { composeMonitor } from './compose/monitor.ts';
import { composePublishing } from './compose/publishing.ts';
import { composeServers } from './compose/servers.ts';
import { findFfmpeg } from './ffmpeg/find.ts';

export interface RunningGateway extends RunningService {
  /** Where it listens: HTTP, RTMP, and UDP for RTP. */
  readonly ports: { readonly http: number; readonly rtmp: number; readonly ingest: number };
}

const clock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  every(intervalMs, call) {
    const timer = setInterval(call, intervalMs);
    return () => clearInterval(timer);
  },
};

/** Starts the gateway. Rejects with an Error of one line that says what a person must do. */
export async function startGateway(settings: Settings, secrets: Secrets, log: Log): Promise<RunningGateway> {
  const owned = new Owned();
  try {
    const folder = join(settings.dataDir, 'gateway');
    const registry = createMetrics('gateway');
    const ffmpeg = settings.gateway.ffmpeg ?? findFfmpeg();
    const outbox = openOutbox({
      path: join(folder, 'outbox.db'),
      service: 'gateway',
      school: internalClient(INTERNAL.school, atAny(settings.school.addresses), secrets.internal),
      log,
    });
    owned.keep(outbox);
    const shared = { settings, secrets, owned, folder, ffmpeg, registry, log };
    // Nothing is on air before all of this is there.
    const channelOf = (recording: string) => media.store.channelOf(recording);
    const access = owned.keep(await Access.open({ settings, secrets, channelOf, log }));
    const media = await composeMedia({ ...shared, outbox, clock, lessons: access.settings });
    const monitor = owned.keep(composeMonitor({ media, outbox, folder, clock, registry }));
    outbox.add({ type: 'gateway:started', atMs: Date.now(), instance: access.settings.instance });
    const publishing = await composePublishing({ ...shared, egress: media.egress });
    const { http, rtmp } = await composeServers({ ...shared, access, media, publishing, monitor });
    const ports = { http, rtmp, ingest: media.sources.address.port };
    log.info({ port: http, rtmp, ingest: ports.ingest }, 'gateway listens');
    return { ports, close: () => owned.close() };
  } catch (error) {
    await owned.close();
    throw error;
  }
}
