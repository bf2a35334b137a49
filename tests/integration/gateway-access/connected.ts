// People and programs that stay connected until they are cut off, one of each protocol.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { WebSocket } from 'ws';
import { ErrorBody } from '#shared/contract/errors.ts';
import type { Lesson, PlayLinks } from '#shared/contract/rest.ts';
import { eventually } from '../../support/lectern.ts';
import { playWhep, publishWhip } from '../../support/whip-whep.ts';
import { OBS_OFFER } from '../../unit/sfu/offers.ts';
import { plain } from '../publishing/films.ts';
import { playRecords, type Timed } from '../publishing/records.ts';
import { run } from '../publishing/rig.ts';

const POLL_MS = 40;

interface End {
  /** As `performance.now()`. */
  readonly atMs: number;
  /** What it was told; empty where the protocol has no words for it. */
  readonly said: string;
}

export interface Connected {
  readonly protocol: string;
  readonly ended: Promise<End>;
  /** Of a download that is in no hurry: takes the rest. */
  readonly hurry?: () => void;
  close(): unknown;
}

/** Of a publisher: how it is refused when it tries again; `let in` if it is not. */
export interface Publisher extends Connected {
  again(): Promise<string>;
}

const ends = async (over: Promise<unknown>, said: () => string = () => ''): Promise<End> => {
  await over.catch(() => undefined);
  return { atMs: performance.now(), said: said() };
};

const codeOf = (text: string): string => ErrorBody.safeParse(JSON.parse(text)).data?.error.code ?? text;

/** Resolves when this page's WebRTC connection is over, as the page itself hears of it. */
const hungUp = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        const { session } = window as unknown as { session: RTCPeerConnection };
        const [transport] = [...session.getSenders(), ...session.getReceivers()].flatMap(
          (end) => end.transport ?? [],
        );
        const look = () => {
          const isOver = ['disconnected', 'failed', 'closed'].includes(session.connectionState);
          if (isOver || transport?.state === 'closed') resolve();
        };
        session.addEventListener('connectionstatechange', look);
        transport?.addEventListener('statechange', look);
        look();
      }),
  );

// --- Who watches

/** Opens all that a class is watched by; resolves once media flow in each. */
export async function watchLive(page: Page, play: PlayLinks): Promise<Connected[]> {
  const flv = await fetch(play.flv);
  assert.equal(flv.status, 200);
  const reader = flv.body?.getReader() ?? assert.fail();
  assert.equal((await reader.read()).done, false);
  const drained = async () => {
    while (!(await reader.read()).done);
  };
  const socket = new WebSocket(play.wsFlv);
  await once(socket, 'message');
  const rtmp = run('ffmpeg', ['-v', 'error', '-i', play.rtmp, '-c', 'copy', '-f', 'flv', '-']);
  assert.ok(rtmp.child.stdout);
  await once(rtmp.child.stdout, 'data');
  await playWhep(page, play.whep);
  await page.waitForFunction(() => 'firstPictureMs' in window);
  const playlist = await playlistOf(play.hls);
  return [
    { protocol: 'HTTP-FLV', ended: ends(drained()), close: () => reader.cancel().catch(() => undefined) },
    { protocol: 'WS-FLV', ended: ends(once(socket, 'close')), close: () => socket.terminate() },
    { protocol: 'RTMP', ended: ends(rtmp.ended), close: () => rtmp.stop() },
    { protocol: 'WHEP', ended: ends(hungUp(page)), close: () => page.reload() },
    poll('HLS playlist', playlist),
    poll('HLS segment', await segmentOf(playlist)),
  ];
}

/** The same of a recording. Its download reads as little as it can. */
export async function watchReplay(hls: string, mp4: string): Promise<Connected[]> {
  const playlist = await playlistOf(hls);
  const [response] = (await once(get(mp4), 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  response.on('error', () => undefined);
  return [
    poll('replay playlist', playlist),
    poll('replay segment', await segmentOf(playlist)),
    {
      protocol: 'download',
      ended: ends(once(response, 'close'), () => (response.complete ? 'the whole file' : '')),
      hurry: () => response.resume(),
      close: () => response.destroy(),
    },
  ];
}

const uriIn = (playlist: string, ending: RegExp): string | undefined =>
  playlist.split('\n').findLast((line) => !line.startsWith('#') && ending.test(line));

const playlistOf = (hls: string): Promise<string> =>
  eventually('HLS plays', async () => {
    const response = await fetch(hls);
    const uri = response.ok ? uriIn(await response.text(), /\.m3u8/) : undefined;
    return uri === undefined ? undefined : new URL(uri, hls).href;
  });

const segmentOf = (playlist: string): Promise<string> =>
  eventually('there is a segment', async () => {
    const uri = uriIn(await (await fetch(playlist)).text(), /\.m4s/);
    return uri === undefined ? undefined : new URL(uri, playlist).href;
  });

/** Asks for the same again and again, up to the first refusal, or the end of a playlist. */
function poll(protocol: string, url: string): Connected {
  let isOpen = true;
  let said = '';
  const asked = async () => {
    while (isOpen) {
      const response = await fetch(url);
      const text = await response.text();
      // A machine that is busy is no refusal.
      if (!response.ok && response.status < 500) {
        said = codeOf(text);
        return;
      }
      if (protocol === 'HLS playlist' && text.includes('#EXT-X-ENDLIST')) return;
      await sleep(POLL_MS);
    }
  };
  return { protocol, ended: ends(asked(), () => said), close: () => (isOpen = false) };
}

// --- Who publishes

/** ffmpeg, with a film over and over. */
export function publishRtmp({ publish }: Lesson, film = plain()): Publisher {
  const to = publish?.rtmp ?? assert.fail('nowhere to publish to');
  const start = () =>
    run('ffmpeg', [
      ...['-v', 'error', '-re', '-stream_loop', '-1', '-i', film],
      ...['-c', 'copy', '-f', 'flv', `${to.url}/${to.key}`],
    ]);
  const ffmpeg = start();
  const toldTo = (said: string) => /Server error: ([a-z-]+):/.exec(said)?.[1] ?? '';
  return {
    protocol: 'RTMP',
    ended: ends(ffmpeg.ended, () => toldTo(ffmpeg.said())),
    async again() {
      const next = start();
      await next.ended;
      return toldTo(next.said());
    },
    close: () => ffmpeg.stop(),
  };
}

/** A page with RTCPeerConnection and fetch. */
export async function publishWebRtc(page: Page, { publish }: Lesson): Promise<Publisher> {
  const url = new URL(publish?.whip ?? assert.fail('nowhere to publish to'));
  const key = url.searchParams.get('key') ?? '';
  url.search = '';
  await publishWhip(page, url.href, key);
  return {
    protocol: 'WHIP',
    ended: ends(hungUp(page)),
    async again() {
      const headers = { 'content-type': 'application/sdp', authorization: `Bearer ${key}` };
      const response = await fetch(url, { method: 'POST', headers, body: OBS_OFFER });
      return response.ok ? 'let in' : codeOf(await response.text());
    },
    close: () => page.reload(),
  };
}

/** What a browser sends that encodes by itself. */
export async function publishWebCodecs({ publish }: Lesson, film: readonly Timed[]): Promise<Publisher> {
  const start = () => {
    const socket = new WebSocket(publish?.webcodecs ?? assert.fail('nowhere to publish to'));
    const closed = once(socket, 'close').then(([, reason]) => String(reason));
    return { socket, closed };
  };
  const { socket, closed } = start();
  let said = '';
  const over = closed.then((reason) => (said = reason));
  await once(socket, 'message');
  void playRecords(socket, film);
  return {
    protocol: 'WebCodecs',
    ended: ends(over, () => said),
    again: () => start().closed,
    close: () => socket.terminate(),
  };
}
