// The gateway's outputs as they are, on free ports and in a folder of their own, without a source.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiskTrouble } from '#shared/contract/errors.ts';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import { createLog } from '#server/log.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { closeServer, createMetrics, listen } from '#server/service.ts';
import type { PlaybackResource } from '#shared/contract/playback.ts';
import { readSettings } from '#server/settings.ts';
import { Access } from '../../../gateway/access/access.ts';
import type { BroadcastInfo, LadderSink, ProgrammeSink, VideoTrack } from '../../../gateway/channel/ports.ts';
import { Egress } from '../../../gateway/egress/egress.ts';
import { FlvServer } from '../../../gateway/egress/flv/flv-server.ts';
import type { SegmentEncryption } from '../../../gateway/egress/hls/encryption.ts';
import { LiveHls } from '../../../gateway/egress/hls/live-routes.ts';
import { EgressMetrics } from '../../../gateway/egress/metrics.ts';
import { ReplayFiles } from '../../../gateway/egress/replay-routes.ts';
import { rtmpWires } from '../../../gateway/egress/rtmp/protocol.ts';
import { RtmpServer } from '../../../gateway/egress/rtmp/rtmp-server.ts';
import { createGatewayHttp } from '../../../gateway/http.ts';
import type { Backlog } from '../../../gateway/store/backlog.ts';
import { RecordingStore } from '../../../gateway/store/recording-store.ts';
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
  const log = createLog({ LECTERN_LOG: 'silent' }, 'gateway');
  const registry = createMetrics('gateway');
  const metrics = new EgressMetrics(registry);
  const recordings: RecordingInfo[] = [];
  const troubles: (DiskTrouble | null)[] = [];
  const onRecording = (recording: RecordingInfo) => recordings.push(recording);
  const store = await RecordingStore.open({
    dir,
    resumeMs,
    log,
    onChanged: onRecording,
    ...(backlog && { backlog }),
  });
  const egress = new Egress({ store, rtmpWires, hlsSound: 'aac', metrics, log });
  const accessDir = mkdtempSync(join(tmpdir(), 'lectern-access-'));
  const access = await Access.open({
    settings: readSettings({ LECTERN_DATA: accessDir, ...env }),
    secrets: { playback: SECRET },
    channelOf: (recording) => store.channelOf(recording),
    log,
  });
  const { decide, open } = access;
  const flv = new FlvServer(egress, metrics);
  const server = createGatewayHttp({
    decide,
    open,
    flv,
    live: new LiveHls(egress, store, encryption),
    replay: new ReplayFiles(store, encryption),
    metrics,
    registry,
    trustedProxies: new Set(['127.0.0.1']),
    ready: () => true,
    internal: async (_request, response) => {
      response.end('internal');
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
    signed(path, resource, expiresInS = 600) {
      const [, area, id] = /^\/(live|replay)\/([a-z0-9]+)/.exec(path) ?? [];
      const signs = resource ?? (`/${area}/${id}` as PlaybackResource);
      const query = signPlayback(SECRET, 'play', signs, Math.floor(Date.now() / 1_000) + expiresInS);
      return `http://127.0.0.1:${port}${path}?${query}`;
    },
    goLive(which = info) {
      const ladder = egress.openLadder({
        info: which,
        requestKeyframes: () => (keyframeRequests.count += 1),
        onRecording,
        onTrouble: (trouble) => troubles.push(trouble),
      });
      return onAir(
        ladder,
        egress.openProgramme(which, { keyframe: () => undefined, sounds: () => undefined }),
      );
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

function onAir(ladder: LadderSink, programme: ProgrammeSink): OnAir {
  const epochMs = Date.now();
  let announced = 0;
  const send = (batch: readonly Shot[]) => {
    const layers = Math.max(announced, ...batch.map((shot) => shot.layer + 1));
    const tracks = cameraTracks(layers);
    if (layers > announced) ladder.tracks(tracks);
    announced = layers;
    for (const { layer, frame, atUs } of batch) {
      const wallMs = epochMs + atUs / 1_000;
      const track = tracks[layer];
      if (frame.kind === 'audio') ladder.audio(frame, wallMs);
      else if (track !== undefined) ladder.video(track, frame, wallMs);
      if (layer === -1 || layer === layers - 1) programme.frame(frame);
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
