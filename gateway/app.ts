// Joins the broadcast plane: recordings, ingest, sound, channels, outputs, publications, relays and the
// servers in front of them.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { Gauge, type Registry } from 'prom-client';
import { followCertificate } from '#server/certificate.ts';
import { trustedProxies } from '#server/forwarded.ts';
import { closeServer, createMetrics, listen, type RunningService } from '#server/service.ts';
import { isErrno, type Secrets } from '#server/secrets.ts';
import type { Log } from '#server/log.ts';
import { openOutbox, type Outbox } from '#server/outbox.ts';
import type { Settings } from '#server/settings.ts';
import { readIdentity, TlsFront } from '#server/tls.ts';
import { Access } from './access/access.ts';
import { answerFor } from './access/answer.ts';
import { openMixing } from './audio/mixing.ts';
import { Channels } from './channel/channels.ts';
import type { Clock } from './channel/sources.ts';
import { Egress } from './egress/egress.ts';
import { FlvServer } from './egress/flv/flv-server.ts';
import { SegmentEncryption } from './egress/hls/encryption.ts';
import { LiveHls } from './egress/hls/live-routes.ts';
import { EgressMetrics } from './egress/metrics.ts';
import { ReplayFiles } from './egress/replay-routes.ts';
import { rtmpWires } from './egress/rtmp/protocol.ts';
import { RtmpServer } from './egress/rtmp/rtmp-server.ts';
import { createGatewayHttp } from './http.ts';
import { PublicationMetrics } from './ingest/publication/metrics.ts';
import { Publications } from './ingest/publication.ts';
import { createRtmpPublishing } from './ingest/rtmp/publisher.ts';
import { findFfmpeg, openIngest } from './ingest/sources.ts';
import { roomsClient } from './ingest/uplink/rooms.ts';
import { createAdmit } from './ingest/webcodecs/admission.ts';
import { WebCodecsServer } from './ingest/webcodecs/publish-socket.ts';
import { Monitor } from './monitor/monitor.ts';
import { createInternalApi } from './internal.ts';
import { inletOf } from './relay/inlet.ts';
import { Relays } from './relay/relays.ts';
import { openScaling } from './scaling/scaling.ts';
import { RecordingStore } from './store/recording-store.ts';

export interface RunningGateway extends RunningService {
  /** Where it listens: HTTP, RTMP, and UDP for RTP. */
  readonly ports: { readonly http: number; readonly rtmp: number; readonly ingest: number };
}

/** Starts the gateway. Rejects with an Error of one line that says what a person must do. */
export async function startGateway(settings: Settings, secrets: Secrets, log: Log): Promise<RunningGateway> {
  // In the order of making; closed from the last to the first.
  const owned: (() => void | Promise<void>)[] = [];
  const close = async () => {
    for (let end = owned.pop(); end !== undefined; end = owned.pop()) await end();
  };
  try {
    const folder = join(settings.LECTERN_DATA, 'gateway');
    const registry = createMetrics('gateway');
    const outbox = openOutbox({
      path: join(folder, 'outbox.db'),
      service: 'gateway',
      schoolUrl: settings.LECTERN_SCHOOL_URL,
      secret: secrets.internal,
      log,
    });
    owned.push(() => outbox.close());
    const store = await RecordingStore.open({
      dir: join(folder, 'recordings'),
      resumeMs: settings.LECTERN_RESUME_MS,
      log,
      onChanged: (recording) => outbox.add({ type: 'recording:changed', atMs: Date.now(), recording }),
    });
    owned.push(() => store.close());
    const metrics = new EgressMetrics(registry);
    const egress = new Egress({ store, rtmpWires, hlsSound: settings.LECTERN_HLS_SOUND, metrics, log });
    owned.push(() => egress.close());
    const sources = await openIngest({
      port: settings.LECTERN_INGEST_PORT,
      ip: settings.LECTERN_INGEST_IP,
      ffmpeg: settings.LECTERN_FFMPEG,
      log,
      metrics: registry,
    }).catch(naming('LECTERN_INGEST_PORT', settings.LECTERN_INGEST_PORT));
    owned.push(() => sources.close());
    const mixing = openMixing({ log, metrics: registry });
    owned.push(() => mixing.close());
    const ladders = settings.LECTERN_LADDERS ?? availableParallelism() - 1;
    const ffmpeg = settings.LECTERN_FFMPEG ?? findFfmpeg();
    const channels = new Channels({
      sources,
      mixing,
      scaling: ladders === 0 ? undefined : openScaling({ ffmpeg, most: ladders, log, metrics: registry }),
      outputs: egress,
      clock,
      resumeMs: settings.LECTERN_RESUME_MS,
      log,
      onEvent: (event) => outbox.add(event),
    });
    owned.push(() => channels.close());
    watch(registry, channels, outbox);
    const monitor = new Monitor({
      figures: () => channels.figures(),
      viewers: (channel) => egress.viewers(channel),
      deliveries: metrics.deliveries,
      soundUsage: () => mixing.usage(),
      recordingsBytes: () => store.bytes,
      outboxSize: () => outbox.size(),
      folder,
      clock,
      registry,
    });
    owned.push(() => monitor.close());

    const encryption =
      settings.LECTERN_HLS_ENCRYPTION === 'none' ? undefined : new SegmentEncryption(secrets.playback);
    const access = await Access.open({ settings, secrets, channelOf: (id) => store.channelOf(id), log });
    owned.push(() => access.close());
    outbox.add({ type: 'gateway:started', atMs: Date.now(), instance: access.settings.instance });
    const { decide, open } = access;
    const publicationMetrics = new PublicationMetrics(registry);
    const publications = new Publications({
      rooms: roomsClient(settings.LECTERN_SFU_URL, secrets.internal),
      ffmpeg,
      maxConversions: availableParallelism(),
      metrics: publicationMetrics,
      log,
    });
    owned.push(() => publications.close());
    const relays = await Relays.open({
      dir: join(folder, 'relays'),
      onAir: egress,
      open: inletOf(publications),
      ffmpeg,
      allowPrivate: settings.LECTERN_RELAY_PRIVATE === '1',
      authorities: () => [...getCACertificates('default'), ...getCACertificates('system')],
      metrics: registry,
      log,
    });
    owned.push(() => relays.close());
    const publish = createRtmpPublishing({
      publications,
      titleOf: (channel) => access.settings.titleOf(channel),
      onMalformed: () => publicationMetrics.malformed(),
    });
    const rtmp = new RtmpServer({ egress, metrics, open, publish, log });
    owned.push(() => rtmp.close());
    const publishing = new WebCodecsServer({
      publications,
      admit: createAdmit({
        open,
        titleOf: (channel) => access.settings.titleOf(channel),
        trustedProxies: trustedProxies(settings.LECTERN_TRUSTED_PROXIES),
      }),
      onMalformed: () => publicationMetrics.malformed(),
      log,
    });
    owned.push(() => publishing.close());
    const flv = new FlvServer(egress, metrics);
    const server = createGatewayHttp({
      decide,
      open,
      flv,
      live: new LiveHls(egress, store, encryption),
      replay: new ReplayFiles(store, encryption),
      publishing,
      metrics,
      registry,
      trustedProxies: trustedProxies(settings.LECTERN_TRUSTED_PROXIES),
      ready: () => true,
      internal: createInternalApi({
        channels,
        recordings: store,
        relays,
        access,
        decide: answerFor(decide),
        status: () => monitor.status(),
        secret: secrets.internal,
        log,
      }),
      log,
    });
    const identity = readIdentity(settings);
    const front = identity && new TlsFront(server, identity);
    const unfollow =
      identity && followCertificate(settings, identity, (renewed) => front?.renew(renewed), log);
    owned.push(() => {
      unfollow?.();
      flv.close();
      return front?.close() ?? closeServer(server);
    });
    const rtmpPort = await rtmp.listen(settings.LECTERN_RTMP_PORT, settings.LECTERN_HOST);
    const { LECTERN_GATEWAY_PORT: wanted, LECTERN_HOST: host } = settings;
    const listening = front?.listen(wanted, host) ?? listen(server, wanted, host);
    const port = await listening.catch(naming('LECTERN_GATEWAY_PORT', wanted));
    log.info({ port, rtmp: rtmpPort, ingest: sources.address.port }, 'gateway listens');
    let closing: Promise<void> | undefined;
    return {
      ports: { http: port, rtmp: rtmpPort, ingest: sources.address.port },
      close: () => (closing ??= close()),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const clock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  every(intervalMs, call) {
    const timer = setInterval(call, intervalMs);
    return () => clearInterval(timer);
  },
};

/** Names the setting that a person has to change when a port is taken. */
function naming(setting: string, port: number): (error: unknown) => never {
  return (error) => {
    if (!isErrno(error, 'EADDRINUSE')) throw error;
    throw new Error(`Port ${port} is taken: set ${setting} to a free one.`, { cause: error });
  };
}

function watch(registry: Registry, channels: Channels, outbox: Outbox): void {
  const registers = [registry];
  new Gauge({
    name: 'lectern_broadcasts',
    help: 'Broadcasts by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(channels.count())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'lectern_gateway_outbox_events',
    help: 'Events that wait for the school.',
    registers,
    collect() {
      this.set(outbox.size());
    },
  });
}
