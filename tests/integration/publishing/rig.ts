// The gateway's RTMP server with publications behind it, and other people's programs that publish to it.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { publishPaths } from '#shared/contract/publish.ts';
import { flvHeader, flvTag, videoBody, videoConfigBody } from '#shared/media/flv.ts';
import { INTERNAL as INTERNAL_API } from '#shared/contract/internal-api.ts';
import { internalClient } from '#server/internal-client.ts';
import { createLog } from '#server/log.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { Access } from '../../../gateway/access/access.ts';
import { readSettings } from '#server/settings.ts';
import { AS_THE_SCHOOL } from '#shared/contract/access.ts';
import { Egress } from '../../../gateway/outputs/outputs.ts';
import { EgressMetrics } from '../../../gateway/outputs/metrics.ts';
import { rtmpWires } from '../../../gateway/servers/rtmp/protocol.ts';
import { RtmpServer } from '../../../gateway/servers/rtmp/rtmp-server.ts';
import { PublicationMetrics } from '../../../gateway/ingest/publication/metrics.ts';
import { Publications } from '../../../gateway/ingest/publication.ts';
import { createRtmpPublishing } from '../../../gateway/servers/rtmp/publisher.ts';
import { RecordingStore } from '../../../gateway/store/recording-store.ts';
import { INTERNAL, startFakeRooms, type FakeRooms, type HeardPicture } from './fake-rooms.ts';

export const SECRET = 'a-secret-of-the-tests-that-is-long-enough';
export const CHANNEL = 'channel123';
export const LESSON = 'lesson1234';

export interface Rig {
  readonly rooms: FakeRooms;
  readonly publications: Publications;
  readonly port: number;
  readonly metrics: Registry;
  /** What OBS calls the server, and the stream key. */
  readonly server: string;
  readonly streamKey: string;
  /** Both in one address, as ffmpeg wants it. */
  readonly url: string;
  /** The school makes a new key: older versions are refused from now on. */
  newKey(channel: string, version: number): Promise<void>;
  close(): Promise<void>;
}

/** `rooms` are those of an SFU elsewhere, where it is not the fake one. */
export async function startRig(
  options: { ffmpeg?: string; roomsUrl?: string; log?: 'silent' | 'info' } = {},
): Promise<Rig> {
  const log = createLog(options.log ?? 'silent', 'gateway');
  const dir = mkdtempSync(join(tmpdir(), 'lectern-publishing-'));
  const metrics = new Registry();
  const egressMetrics = new EgressMetrics(metrics);
  const store = await RecordingStore.open({ dir, resumeMs: 1_000, log, onChanged: () => undefined });
  const egress = new Egress({ store, rtmpWires, hlsAudioCodec: 'aac', metrics: egressMetrics, log });
  const rooms = await startFakeRooms();
  const publicationMetrics = new PublicationMetrics(metrics);
  const publications = new Publications({
    rooms: internalClient(INTERNAL_API.sfu, () => [options.roomsUrl ?? rooms.url], INTERNAL),
    ffmpeg: options.ffmpeg ?? 'ffmpeg',
    maxConversions: 2,
    metrics: publicationMetrics,
    log,
  });
  const access = await Access.open({
    settings: readSettings({ LECTERN_DATA: dir }),
    secrets: { playback: SECRET },
    channelOf: () => undefined,
    log,
  });
  const rtmp = new RtmpServer({
    egress,
    metrics: egressMetrics,
    open: access.open,
    publish: createRtmpPublishing({
      publications,
      titleOf: (channel) => access.settings.titleOf(channel),
      onMalformed: () => publicationMetrics.malformed(),
    }),
    log,
  });
  const port = await rtmp.listen(0, '127.0.0.1');
  const server = `rtmp://127.0.0.1:${port}/live`;
  const streamKey = publishPaths(CHANNEL, makePublishKey(SECRET, CHANNEL, LESSON, 0)).rtmpStreamKey;
  return {
    rooms,
    publications,
    port,
    metrics,
    server,
    streamKey,
    url: `${server}/${streamKey}`,
    async newKey(channel, publishVersion) {
      const settings = { lesson: LESSON, title: 'Photosynthesis', epoch: 0, access: AS_THE_SCHOOL };
      await access.settings.put(channel, { ...settings, version: Date.now(), publishVersion });
    },
    async close() {
      publications.close();
      await rtmp.close();
      await access.close();
      egress.close();
      await store.close();
      await rooms.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A program that runs until it is told to end; its last words are kept. */
export interface Program {
  readonly child: ChildProcess;
  readonly said: () => string;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
  /** SIGKILL unless another signal is given. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const programs = new Set<Program>();
after(async () => {
  for (const program of programs) await program.stop();
});

export function run(command: string, args: readonly string[]): Program {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const keep = (bytes: Buffer) => (text = (text + bytes.toString('latin1')).slice(-20_000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const program: Program = {
    child,
    said: () => text,
    ended,
    async stop(signal = 'SIGKILL') {
      programs.delete(program);
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
    },
  };
  programs.add(program);
  return program;
}

/** True if the program is installed. */
export function has(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Plays `file` into `url` with ffmpeg, in real time. */
export const pushFile = (file: string, url: string, ...args: string[]): Program =>
  run('ffmpeg', ['-v', 'warning', '-re', '-i', file, '-c', 'copy', ...args, '-f', 'flv', url]);

/** Waits until `test` is true; fails after `limitMs`. */
export async function until(what: string, test: () => boolean, limitMs = 15_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!test()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await sleep(20);
  }
}

/**
 * Waits until nothing more arrives: what a converter holds when its publisher leaves comes seconds after
 * that, and on a busy machine in the midst of the next test.
 */
export async function quiet({ heard }: FakeRooms): Promise<void> {
  for (let before = -1; before !== heard.packets;) {
    before = heard.packets;
    await sleep(500);
  }
}

/** Writes pictures as an FLV file; the caller's folder is gone when the tests end. */
export const FOLDER = mkdtempSync(join(tmpdir(), 'lectern-heard-'));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

export function writePictures(name: string, pictures: readonly HeardPicture[]): string {
  const parts: Uint8Array[] = [flvHeader({ audio: false, video: true })];
  const first = pictures[0]?.ticks ?? 0;
  let config: unknown;
  for (const { ticks, key, data, config: own } of pictures) {
    const us = ((ticks - first) * 1_000) / 90;
    const ms = Math.round(us / 1_000);
    if (own !== config) parts.push(flvTag('video', ms, videoConfigBody(own)));
    config = own;
    parts.push(
      flvTag('video', ms, videoBody({ kind: 'video', ptsUs: us, dtsUs: us, key, data, config: own })),
    );
  }
  const file = join(FOLDER, `${name}.flv`);
  writeFileSync(file, Buffer.concat(parts));
  return file;
}
