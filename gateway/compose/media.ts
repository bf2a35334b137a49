// The media path of the gateway: recordings, what comes in, sound, channels and what goes out.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { Log } from '#server/log.ts';
import type { Outbox } from '#server/outbox.ts';
import type { Owned } from '#server/owned.ts';
import type { Settings } from '#server/settings.ts';
import type { AccessSettings } from '../access/settings.ts';
import { openMixing } from '../audio/mixing.ts';
import { Channels } from '../channel/channels.ts';
import type { Clock } from '../channel/sources.ts';
import { openScaling } from '../ffmpeg/scaling.ts';
import { stillOf, thumbnailsOf } from '../ffmpeg/still.ts';
import { openIngest } from '../ingest/sources.ts';
import { EgressMetrics } from '../outputs/metrics.ts';
import { Egress } from '../outputs/outputs.ts';
import { rtmpWires } from '../servers/rtmp/protocol.ts';
import { RecordingStore } from '../store/recording-store.ts';
import { Stills } from '../store/stills.ts';
import { Thumbnails } from '../store/thumbnails.ts';
import { naming } from './naming.ts';

export interface MediaOptions {
  readonly settings: Settings;
  readonly owned: Owned;
  /** Where the gateway keeps its data. */
  readonly folder: string;
  readonly ffmpeg: string;
  readonly outbox: Outbox;
  readonly clock: Clock;
  /** What a channel's lesson says of recording it. */
  readonly lessons: Pick<AccessSettings, 'recordingModeOf' | 'splitOf'>;
  readonly registry: Registry;
  readonly log: Log;
}

export type Media = Awaited<ReturnType<typeof composeMedia>>;

/** Opens it. Rejects with an Error of one line where the port of the ingest is taken. */
export async function composeMedia(options: MediaOptions) {
  const { settings, owned, folder, ffmpeg, outbox, clock, lessons, registry, log } = options;
  const store = await RecordingStore.open({
    dir: join(folder, 'recordings'),
    resumeMs: settings.gateway.resumeMs,
    splitOf: (channel) => lessons.splitOf(channel),
    log,
    onChanged: (recording) => outbox.add({ type: 'recording:changed', atMs: Date.now(), recording }),
  });
  owned.keep(store);
  const stills = new Stills({ make: (movie) => stillOf(ffmpeg, movie), log });
  const thumbnails = new Thumbnails({ make: (frames) => thumbnailsOf(ffmpeg, frames), registry });
  const metrics = new EgressMetrics(registry);
  const egress = owned.keep(
    new Egress({ store, rtmpWires, hlsAudioCodec: settings.gateway.hls.sound, metrics, log }),
  );
  const sources = await openIngest({
    port: settings.ingest.port,
    ip: settings.ingest.ip,
    ffmpeg,
    log,
    metrics: registry,
  }).catch(naming('LECTERN_INGEST_PORT', settings.ingest.port));
  owned.keep(sources);
  const mixing = owned.keep(openMixing({ log, metrics: registry }));
  const ladders = settings.gateway.ladders ?? availableParallelism() - 1;
  const channels = owned.keep(
    new Channels({
      sources,
      mixing,
      scaling: ladders === 0 ? undefined : openScaling({ ffmpeg, most: ladders, log, metrics: registry }),
      outputs: egress,
      clock,
      resumeMs: settings.gateway.resumeMs,
      recordingMode: (channel) => lessons.recordingModeOf(channel),
      log,
      onEvent: (event) => outbox.add(event),
    }),
  );
  return { store, stills, thumbnails, metrics, egress, sources, mixing, channels };
}
