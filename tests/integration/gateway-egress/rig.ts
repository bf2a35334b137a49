// The gateway's outputs as they are, on free ports and in a folder of their own, without a source.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiskTrouble } from '#shared/contract/errors.ts';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import { NO_SPLIT, type Split } from '#shared/contract/split.ts';
import { createLog } from '#server/log.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { closeServer, createMetrics, listen } from '#server/service.ts';
import type { PlaybackResource } from '#shared/contract/playback.ts';
import { readSettings } from '#server/settings.ts';
import { soundConfig } from '../../support/sound-config.ts';
import { Access } from '../../../gateway/access/access.ts';
import type { BroadcastInfo, LadderSink, ProgrammeSink, VideoTrack } from '../../../gateway/channel/ports.ts';
import { Continuity } from '../../../gateway/channel/continuity.ts';
import { StillPicture } from '../../../gateway/channel/still-picture.ts';
import { Egress } from '../../../gateway/outputs/outputs.ts';
import { FlvServer } from '../../../gateway/servers/flv/flv-server.ts';
import type { SegmentEncryption } from '../../../gateway/servers/hls/encryption.ts';
import { LiveHls } from '../../../gateway/servers/hls/live-routes.ts';
import { stillOf, thumbnailsOf } from '../../../gateway/ffmpeg/still.ts';
import { EgressMetrics } from '../../../gateway/outputs/metrics.ts';
import { ReplayFiles } from '../../../gateway/servers/hls/replay-routes.ts';
import { ThumbnailRoutes } from '../../../gateway/servers/hls/thumbnail-routes.ts';
import { rtmpWires } from '../../../gateway/servers/rtmp/protocol.ts';
import { RtmpServer } from '../../../gateway/servers/rtmp/rtmp-server.ts';
import { createGatewayHttp } from '../../../gateway/servers/http/gateway-http.ts';
import type { Backlog } from '../../../gateway/store/backlog.ts';
import { RecordingStore } from '../../../gateway/store/recording-store.ts';
import { Stills } from '../../../gateway/store/stills.ts';
import { Thumbnails } from '../../../gateway/store/thumbnails.ts';
import type { Film, Shot } from './film.ts';
import { shots } from './film.ts';

export const SECRET = 'a-secret-of-the-tests-that-is-long-enough';
export const info: BroadcastInfo = {
  broadcast: 'broadcast1',
  lesson: 'lesson1234',
  channel: 'channel123',
  title: 'Photosynthesis 光合作用',
};

export interface Rig {
  readonly url: string;
  readonly rtmpUrl: string;
  readonly dataDir: string;
  readonly store: RecordingStore;
  readonly access: Access;
  readonly egress: Egress;
  readonly recordings: RecordingInfo[];
  /** What was told of the disk, and null when it was over. */
  readonly troubles: (DiskTrouble | null)[];
  readonly keyframeRequests: { count: number };
  /** From now on files are cut like this. */
  splitBy(split: Split): void;
  /** How many thumbnails were made each time ffmpeg was started for them, and how many of it ran at once. */
  readonly thumbnailRuns: { made: number[]; atOnce: number };
  /** The address of `path`, signed for `resource`. */
  signed(path: string, resource?: PlaybackResource, expiresInS?: number): string;
  goLive(which?: BroadcastInfo): OnAir;
  close(): Promise<void>;
}

export interface OnAir {
  readonly ladder: LadderSink;
  readonly programme: ProgrammeSink;
  /** Sends frames as fast as they are taken. */
  send(shots: readonly Shot[]): void;
  /** Sends frames as time goes by. Resolves after the last. */
  play(shots: readonly Shot[]): Promise<void>;
}

/** `dataDir` is kept at the end if it is given; `env` adds settings of access. */
export async function startRig(
  dataDir?: string,
  resumeMs = 60_000,
  env: Record<string, string> = {},
  encryption?: SegmentEncryption,
  backlog?: Backlog,
): Promise<Rig> {
  const dir = dataDir ?? mkdtempSync(join(tmpdir(), 'lectern-egress-'));
  const log = createLog('silent', 'gateway');
  const registry = createMetrics('gateway');
  const metrics = new EgressMetrics(registry);
  const recordings: RecordingInfo[] = [];
  const troubles: (DiskTrouble | null)[] = [];
  let split = NO_SPLIT;
  const onRecording = (recording: RecordingInfo) => recordings.push(recording);
  const store = await RecordingStore.open({
    dir,
    resumeMs,
    log,
    onChanged: onRecording,
    splitOf: () => split,
    ...(backlog && { backlog }),
  });
  const egress = new Egress({ store, rtmpWires, hlsAudioCodec: 'aac', metrics, log });
  const accessDir = mkdtempSync(join(tmpdir(), 'lectern-access-'));
  const access = await Access.open({
    settings: readSettings({ LECTERN_DATA: accessDir, ...env }),
    secrets: { playback: SECRET },
    channelOf: (recording) => store.channelOf(recording),
    log,
  });
  const { decide, open } = access;
  const flv = new FlvServer(egress, metrics);
  const stills = new Stills({ make: (movie) => stillOf('ffmpeg', movie), log });
  const thumbnailRuns = { made: new Array<number>(), atOnce: 0 };
  let running = 0;
  const thumbnails = new Thumbnails({
    async make(frames) {
      running += 1;
      thumbnailRuns.atOnce = Math.max(thumbnailRuns.atOnce, running);
      const jpegs = await thumbnailsOf('ffmpeg', frames);
      running -= 1;
      thumbnailRuns.made.push(jpegs?.length ?? 0);
      return jpegs;
    },
    registry,
  });
  const server = createGatewayHttp({
    decide,
    open,
    flv,
    live: new LiveHls(egress, store, encryption),
    replay: new ReplayFiles(store, stills, encryption),
    thumbnails: new ThumbnailRoutes({ egress, store, thumbnails, isEncrypted: encryption !== undefined }),
    metrics,
    registry,
    trustedProxies: new Set(['127.0.0.1']),
    ready: () => true,
    internal(request, response) {
      if (request.url?.startsWith('/internal/') !== true) return false;
      response.end('internal');
      return true;
    },
    log,
  });
  const rtmp = new RtmpServer({ egress, metrics, open, log });
  const port = await listen(server, 0, '127.0.0.1');
  const rtmpPort = await rtmp.listen(0, '127.0.0.1');
  const keyframeRequests = { count: 0 };
  return {
    url: `http://127.0.0.1:${port}`,
    rtmpUrl: `rtmp://127.0.0.1:${rtmpPort}`,
    dataDir: dir,
    store,
    access,
    egress,
    recordings,
    troubles,
    keyframeRequests,
    splitBy: (next) => (split = next),
    thumbnailRuns,
    signed(path, resource, expiresInS = 600) {
      const [, area, id] = /^\/(live|replay)\/([a-z0-9-]+)/.exec(path) ?? [];
      const signs = resource ?? (`/${area}/${id}` as PlaybackResource);
      const query = signPlayback(SECRET, 'play', signs, Math.floor(Date.now() / 1_000) + expiresInS);
      return `http://127.0.0.1:${port}${path}?${query}`;
    },
    goLive(which = info) {
      const still = new StillPicture();
      const ladder = egress.openLadder({
        info: which,
        stills: still,
        audioConfig: () => soundConfig('aac'),
        requestKeyframes: () => (keyframeRequests.count += 1),
        onRecording,
        onTrouble: (trouble) => troubles.push(trouble),
      });
      const programme = egress.openProgramme(which, {
        requestKeyframe: () => undefined,
        audioConfig: (codec) => continuity.audioConfig(codec),
        wantAudio: (wanted, fromUs) => continuity.want(wanted, fromUs),
      });
      const epochMs = Date.now();
      const continuity: Continuity = new Continuity({
        audioConfig: soundConfig,
        still,
        programme,
        ladder,
        wallMs: (ptsUs) => epochMs + ptsUs / 1_000,
        requestKeyframe: () => undefined,
      });
      return onAir(ladder, programme, continuity, epochMs);
    },
    async close() {
      egress.close();
      flv.close();
      await closeServer(server);
      await rtmp.close();
      await access.close();
      await store.close();
      rmSync(accessDir, { recursive: true, force: true });
      if (dataDir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Three camera layers under the ids `<producer>:<layer>`. */
export function cameraTracks(layers: number, producer = 'camera'): VideoTrack[] {
  return Array.from({ length: layers }, (_, layer) => ({
    id: `${producer}:${layer}`,
    layer,
    source: 'camera',
  }));
}

function onAir(ladder: LadderSink, programme: ProgrammeSink, continuity: Continuity, epochMs: number): OnAir {
  let announced = 0;
  const send = (batch: readonly Shot[]) => {
    const layers = Math.max(announced, ...batch.map((shot) => shot.layer + 1));
    const tracks = cameraTracks(layers);
    if (layers > announced) ladder.setTracks(tracks);
    announced = layers;
    for (const { layer, frame, atUs } of batch) {
      const wallMs = epochMs + atUs / 1_000;
      const track = tracks[layer];
      if (frame.kind === 'audio') {
        continuity.placeAudio(frame);
        continue;
      }
      if (track !== undefined) ladder.writeVideo(track, frame, wallMs);
      if (layer === layers - 1) continuity.placeVideo(frame);
    }
  };
  return {
    ladder,
    programme,
    send,
    async play(batch) {
      const startMs = performance.now();
      let next = 0;
      while (next < batch.length) {
        const nowUs = (performance.now() - startMs) * 1_000 + (batch[0]?.atUs ?? 0);
        const from = next;
        while (next < batch.length && (batch[next]?.atUs ?? 0) <= nowUs) next += 1;
        send(batch.slice(from, next));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}

/** How long the film is, so that it can be shown again without a gap. */
export function lengthUs(film: Film): number {
  const last = film.audio.at(-1);
  return Math.round(((last?.ptsUs ?? 0) + (last?.durationUs ?? 0)) / 40_000) * 40_000;
}

/** The film over and over, `times` times, as one run. */
export function looped(film: Film, times: number): Shot[] {
  return Array.from({ length: times }, (_, index) => shots(film, index * lengthUs(film))).flat();
}
