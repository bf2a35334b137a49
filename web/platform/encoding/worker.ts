// The worker that encodes and sends: it owns the connection and both encoders.
import { PublishLink, type LinkSocket } from '../../engine/encoded/publish-link.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { PictureLine } from './picture-line.ts';
import { SoundLine } from './sound-line.ts';

const STATS_EVERY_MS = 1_000;

/** What is used of DedicatedWorkerGlobalScope; the DOM's types take `self` for a window. */
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
};
const tell = (message: FromWorker) => scope.postMessage(message);
const nowUs = () => performance.now() * 1_000;

let link: PublishLink | undefined;
let timer: ReturnType<typeof setInterval> | undefined;

const unable = () => {
  close();
  tell({ type: 'refused', code: 'unsupported-codec' });
};
const picture = new PictureLine({ link: () => link, nowUs, onFailed: unable });
const sound = new SoundLine({
  link: () => link,
  nowUs,
  mayGo: () => picture.pace.takesSound,
  onFailed: unable,
});

function open(address: string): void {
  link = new PublishLink({
    connect: () => new WebSocket(address) as LinkSocket,
    now: () => performance.now(),
    onState(state) {
      if (state === 'closed') return;
      if (state === 'open') {
        picture.restart();
        sound.restart();
      }
      tell({ type: 'state', state });
    },
    onKeyframeWanted: () => picture.wantKey(),
    onNotice: (notice) => tell({ type: 'notice', notice }),
    onRefused(code) {
      close();
      tell({ type: 'refused', code });
    },
  });
  let before = 0;
  timer = setInterval(() => {
    const sent = link?.sentBytes ?? 0;
    const { state: pace, waitingMs } = picture.pace;
    tell({
      type: 'stats',
      stats: { pace, waitingMs, sentBps: ((sent - before) * 8_000) / STATS_EVERY_MS },
    });
    before = sent;
  }, STATS_EVERY_MS);
}

function close(): void {
  clearInterval(timer);
  picture.close();
  sound.close();
  link?.close();
}

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case 'open':
      return open(data.address);
    case 'picture':
      return picture.show(data.frames, data.source);
    case 'sound':
      return sound.hear(data.samples, data.bps);
    case 'close':
      return close();
  }
};
