// What is published from outside, no matter by whom: programs, tabs over HTTPS, relays.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import type { Registry } from 'prom-client';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { atAny, internalClient } from '#server/internal-client.ts';
import type { Log } from '#server/log.ts';
import type { Owned } from '#server/owned.ts';
import type { Secrets } from '#server/secrets.ts';
import type { Settings } from '#server/settings.ts';
import { PublicationMetrics } from '../ingest/publication/metrics.ts';
import { Publications } from '../ingest/publication.ts';
import type { Egress } from '../outputs/outputs.ts';
import { ingressOf } from '../relay/ingress.ts';
import { Relays } from '../relay/relays.ts';

export interface PublishingOptions {
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly owned: Owned;
  readonly folder: string;
  readonly ffmpeg: string;
  readonly egress: Egress;
  readonly registry: Registry;
  readonly log: Log;
}

export type Publishing = Awaited<ReturnType<typeof composePublishing>>;

export async function composePublishing(options: PublishingOptions) {
  const { settings, secrets, owned, folder, ffmpeg, egress, registry, log } = options;
  const metrics = new PublicationMetrics(registry);
  const publications = owned.keep(
    new Publications({
      rooms: internalClient(INTERNAL.sfu, atAny(settings.sfu.addresses), secrets.internal),
      ffmpeg,
      maxConversions: availableParallelism(),
      metrics,
      log,
    }),
  );
  const relays = await Relays.open({
    dir: join(folder, 'relays'),
    onAir: egress,
    open: ingressOf(publications),
    ffmpeg,
    allowPrivate: settings.gateway.relaysMayBePrivate,
    authorities: () => [...getCACertificates('default'), ...getCACertificates('system')],
    metrics: registry,
    log,
  });
  owned.keep(relays);
  return { publications, metrics, relays };
}
