// The worker that encodes and sends: it owns the connection and both encoders.
import { PublishLink, type LinkSocket } from '../../engine/encoded/publish-link.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { VideoEncoding } from './video-encoding.ts';
import { AudioEncoding } from './audio-encoding.ts';

const STATS_EVERY_MS = 1_000;

/** What is used of DedicatedWorkerGlobalScope; the DOM's types take `self` for a window. */
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
};
const post = (message: FromWorker) => scope.postMessage(message);
const nowUs = () => performance.now() * 1_000;

let link: PublishLink | undefined;
let timer: ReturnType<typeof setInterval> | undefined;

const unable = () => {
  close();
  post({ type: 'refused', code: 'unsupported-codec' });
};
const video = new VideoEncoding({ link: () => link, nowUs, onFailed: unable });
const audio = new AudioEncoding({
  link: () => link,
  nowUs,
  mayGo: () => video.pace.takesAudio,
  onFailed: unable,
});

function open(address: string): void {
  link = new PublishLink({
    connect: () => new WebSocket(address) as LinkSocket,
    now: () => performance.now(),
    onState(state) {
      if (state === 'closed') return;
      if (state === 'open') {
        video.restart();
        audio.restart();
      }
      post({ type: 'state', state });
    },
    onKeyframeWanted: () => video.wantKey(),
    onNotice: (notice) => post({ type: 'notice', notice }),
    onRefused(code) {
      close();
      post({ type: 'refused', code });
    },
  });
  let before = 0;
  timer = setInterval(() => {
    const sent = link?.sentBytes ?? 0;
    const { state: pace, waitingMs } = video.pace;
    post({
      type: 'stats',
      stats: { pace, waitingMs, sentBps: ((sent - before) * 8_000) / STATS_EVERY_MS },
    });
    before = sent;
  }, STATS_EVERY_MS);
}

function close(): void {
  clearInterval(timer);
  video.close();
  audio.close();
  link?.close();
}

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case 'open':
      return open(data.address);
    case 'video':
      return video.show(data.frames, data.source);
    case 'audio':
      return audio.hear(data.samples, data.bps);
    case 'close':
      return close();
  }
};
