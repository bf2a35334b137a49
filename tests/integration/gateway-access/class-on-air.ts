// A class on air for the tests of access: its rules can be set, and it can be asked for over every protocol.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { AS_THE_SCHOOL, LessonAccess } from '#shared/contract/access.ts';
import { ErrorBody } from '#shared/contract/errors.ts';
import type { PlaybackResource } from '#shared/contract/playback.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { closeServer, listen } from '#server/service.ts';
import { country, makeMmdb } from '../../support/mmdb.ts';
import { shoot, shots } from '../gateway-egress/film.ts';
import { info, lengthUs, SECRET, startRig, type Rig } from '../gateway-egress/rig.ts';

export const CDN_KEY = 'a-key-of-the-cdn-1';
export const LIVE = `/live/${info.channel}` as const;
export const REPLAY = `/replay/${info.broadcast}` as const;

/** Makes the query of an address, given the resource that it is for and the epoch of now. */
export type Sign = (resource: PlaybackResource, epoch: number) => string;
export const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600;
export const signed: Sign = (resource, epoch) =>
  signPlayback(SECRET, 'play', resource, inAnHour(), undefined, epoch);

/** False where rtmpdump is not installed. */
export const hasRtmpdump = spawnSync('rtmpdump', ['--help']).error === undefined;

/** What the school's own server answers at each path; at `/silent` nothing. */
const ANSWERS: Readonly<Record<string, readonly [number, string]>> = {
  '/yes': [200, '{"allow":true}'],
  '/no': [200, '{"allow":false}'],
  '/error': [500, '{"allow":true}'],
  '/garbage': [200, 'true'],
  '/other': [200, '{"allowed":true}'],
  '/elsewhere': [302, '{"allow":true}'],
  '/long': [200, `{"allow":true,"why":"${'x'.repeat(100_000)}"}`],
};

/** `allow`, or the code of the refusal. */
type Verdict = Promise<string>;

export interface ClassOnAir {
  readonly rig: Rig;
  readonly schoolUrl: string;
  /** Paths below the channel and the recording, as playlists name them. */
  readonly segment: string;
  readonly replaySegment: string;
  readonly epoch: () => number;
  /** Sets the rules of the lesson, and revokes its addresses before if that is asked for. */
  set(access?: Partial<LessonAccess>, revoke?: 'revoke'): Promise<void>;
  overHttp(path: string, query: string, headers?: Record<string, string>): Verdict;
  /** Asks over each protocol with an address that is signed so. */
  readonly protocols: readonly (readonly [string, (sign: Sign) => Verdict])[];
  close(): Promise<void>;
}

/** Puts a class on air. In its database of countries 127.0.0.0/8 is CN and 203.0.113.0/24 is DE. */
export async function classOnAir(): Promise<ClassOnAir> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-class-'));
  const mmdb = join(dir, 'countries.mmdb');
  writeFileSync(mmdb, makeMmdb({ '127.0.0.0/8': country('CN'), '203.0.113.0/24': country('DE') }));
  const school = createServer((request, response) => {
    const path = request.url ?? '';
    request.resume();
    if (path === '/silent') return;
    const [status, body] = ANSWERS[path] ?? [404, ''];
    response.writeHead(status, { 'content-type': 'application/json', location: '/yes' }).end(body);
  });
  const port = await listen(school, 0, '127.0.0.1');
  const rig = await startRig(undefined, 60_000, {
    LECTERN_GEOIP: mmdb,
    LECTERN_CDN_KEY: CDN_KEY,
    LECTERN_CALLBACK_HOSTS: `127.0.0.1:${port}`,
  });
  const air = rig.goLive();
  const film = await shoot(4, 1);
  let isOnAir = true;
  const show = async () => {
    for (let time = 0; isOnAir; time += 1) await air.play(shots(film, time * lengthUs(film)));
  };
  const shown = show();
  const { segment, replaySegment } = await findSegment(rig);
  let version = 1;
  let epoch = 0;

  async function overHttp(path: string, query: string, headers: Record<string, string> = {}) {
    const aborter = new AbortController();
    const response = await fetch(`${rig.url}${path}?${query}`, { headers, signal: aborter.signal });
    try {
      // Of what streams only the beginning is of interest.
      return response.ok ? 'allow' : ErrorBody.parse(await response.json()).error.code;
    } finally {
      aborter.abort();
    }
  }

  const overSocket = (query: string): Verdict =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${rig.url.replace('http', 'ws')}${LIVE}.flv?${query}`);
      socket.on('message', () => {
        resolve('allow');
        socket.terminate();
      });
      socket.on('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve(ErrorBody.parse(JSON.parse(text)).error.code));
      });
      socket.on('error', reject);
    });

  const dump = (query: string) =>
    spawn('rtmpdump', [
      ...['--rtmp', rig.rtmpUrl, '--app', 'live', '--playpath', `${info.channel}?${query}`],
      ...['--live', '--timeout', '8', '--verbose', '--flv', '-'],
    ]);

  const overRtmp = (query: string): Verdict =>
    new Promise((resolve, reject) => {
      const child = dump(query);
      let said = '';
      child.on('error', reject);
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      child.stdout.once('data', () => {
        child.kill('SIGKILL');
        resolve('allow');
      });
      child.on('close', () => resolve(/description, STRING:\s*([a-z-]+): /.exec(said)?.[1] ?? 'closed'));
    });

  const live = (path: string) => (sign: Sign) => overHttp(path, sign(LIVE, epoch));
  const replay = (path: string) => (sign: Sign) => overHttp(path, sign(REPLAY, epoch));
  return {
    rig,
    schoolUrl: `http://127.0.0.1:${port}`,
    segment,
    replaySegment,
    epoch: () => epoch,
    async set(access = {}, revoke) {
      if (revoke !== undefined) epoch += 1;
      await rig.access.settings.put(info.channel, {
        version: ++version,
        lesson: info.lesson,
        title: info.title,
        publishVersion: 0,
        epoch,
        access: LessonAccess.parse({ ...AS_THE_SCHOOL, ...access }),
      });
    },
    overHttp,
    protocols: [
      ['HTTP-FLV', live(`${LIVE}.flv`)],
      ['WebSocket-FLV', (sign) => overSocket(sign(LIVE, epoch))],
      ['HLS playlist', live(`${LIVE}/index.m3u8`)],
      ['time-shift playlist', live(`${LIVE}/dvr.m3u8`)],
      ['HLS segment', live(segment)],
      ...(hasRtmpdump ? [['RTMP', (sign: Sign) => overRtmp(sign(LIVE, epoch))] as const] : []),
      ['replay playlist', replay(`${REPLAY}/index.m3u8`)],
      ['replay segment', replay(replaySegment)],
      ['download as MP4', replay(`${REPLAY}.mp4`)],
      ['download as FLV', replay(`${REPLAY}.flv`)],
    ],
    async close() {
      isOnAir = false;
      await shown;
      school.closeAllConnections();
      await closeServer(school);
      await rig.close();
      rmSync(dir, { recursive: true });
    },
  };
}

/** Waits for the first segment, and resolves with its paths live and in the replay. */
async function findSegment(rig: Rig): Promise<{ segment: string; replaySegment: string }> {
  const firstUri = async (path: string, ending: string) => {
    const response = await fetch(rig.signed(path));
    const lines = response.ok ? (await response.text()).split('\n') : [];
    return lines.find((line) => !line.startsWith('#') && line.includes(ending))?.replace(/\?.*/, '');
  };
  const deadlineMs = Date.now() + 20_000;
  while (Date.now() < deadlineMs) {
    await new Promise((done) => setTimeout(done, 250));
    const variant = await firstUri(`${LIVE}/index.m3u8`, '.m3u8');
    if (variant === undefined) continue;
    const media = await firstUri(`${LIVE}/${variant}`, '.m4s');
    if (media === undefined) continue;
    return {
      segment: `${LIVE}/${variant.replace(/[^/]+$/, media)}`,
      replaySegment: `${REPLAY}/${media}`,
    };
  }
  return assert.fail('the class does not come on air');
}
