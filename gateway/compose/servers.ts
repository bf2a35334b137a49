// The servers of the gateway: RTMP in both directions, and one port for all that is HTTP.
import type { Registry } from 'prom-client';
import { followCertificate } from '#server/certificate.ts';
import { trustedProxies } from '#server/forwarded.ts';
import type { Log } from '#server/log.ts';
import type { Owned } from '#server/owned.ts';
import type { Secrets } from '#server/secrets.ts';
import { closeServer, listen } from '#server/service.ts';
import type { Settings } from '#server/settings.ts';
import { readIdentity, TlsFront } from '#server/tls.ts';
import type { Access } from '../access/access.ts';
import { answerFor } from '../access/answer.ts';
import { createInternalApi } from '../internal.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { FlvServer } from '../servers/flv/flv-server.ts';
import { SegmentEncryption } from '../servers/hls/encryption.ts';
import { LiveHls } from '../servers/hls/live-routes.ts';
import { ReplayFiles } from '../servers/hls/replay-routes.ts';
import { ThumbnailRoutes } from '../servers/hls/thumbnail-routes.ts';
import { createGatewayHttp } from '../servers/http/gateway-http.ts';
import { createRtmpPublishing } from '../servers/rtmp/publisher.ts';
import { RtmpServer } from '../servers/rtmp/rtmp-server.ts';
import { createAdmit } from '../servers/webcodecs/admission.ts';
import { WebCodecsServer } from '../servers/webcodecs/publish-socket.ts';
import type { Media } from './media.ts';
import { naming } from './naming.ts';
import type { Publishing } from './publishing.ts';

export interface ServersOptions {
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly owned: Owned;
  readonly access: Access;
  readonly media: Media;
  readonly publishing: Publishing;
  readonly monitor: Monitor;
  readonly registry: Registry;
  readonly log: Log;
}

/** Opens them. Resolves with the ports; rejects with an Error of one line where one is taken. */
export async function composeServers(options: ServersOptions): Promise<{ http: number; rtmp: number }> {
  const { settings, secrets, owned, access, media, publishing, monitor, registry, log } = options;
  const { store, stills, thumbnails, egress, metrics, channels } = media;
  const { publications, relays } = publishing;
  const { decide, open } = access;
  const proxies = trustedProxies(settings.trustedProxies);
  const titleOf = (channel: string) => access.settings.titleOf(channel);
  const onMalformed = () => publishing.metrics.malformed();
  const publish = createRtmpPublishing({ publications, titleOf, onMalformed });
  const rtmp = owned.keep(new RtmpServer({ egress, metrics, open, publish, log }));
  const tabs = owned.keep(
    new WebCodecsServer({
      publications,
      admit: createAdmit({ open, titleOf, trustedProxies: proxies }),
      onMalformed,
      log,
    }),
  );
  const flv = new FlvServer(egress, metrics);
  const encryption =
    settings.gateway.hls.encryption === 'none' ? undefined : new SegmentEncryption(secrets.playback);
  const server = createGatewayHttp({
    decide,
    open,
    flv,
    live: new LiveHls(egress, store, encryption),
    replay: new ReplayFiles(store, stills, encryption),
    thumbnails: new ThumbnailRoutes({ egress, store, thumbnails, isEncrypted: encryption !== undefined }),
    publishing: tabs,
    metrics,
    registry,
    trustedProxies: proxies,
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
  const identity = readIdentity(settings.tls);
  const front = identity && new TlsFront(server, identity);
  const unfollow =
    identity && followCertificate(settings.tls, identity, (renewed) => front?.renew(renewed), log);
  owned.onClose(() => {
    unfollow?.();
    flv.close();
    return front?.close() ?? closeServer(server);
  });
  const { port, rtmpPort } = settings.gateway;
  const { host } = settings.door;
  return {
    rtmp: await rtmp.listen(rtmpPort, host),
    http: await (front?.listen(port, host) ?? listen(server, port, host)).catch(
      naming('LECTERN_GATEWAY_PORT', port),
    ),
  };
}
