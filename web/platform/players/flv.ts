// FLV over HTTP or a WebSocket through Media Source, by mpegts.js: the lowest latency a page can have without
// WebRTC.
import { expected } from '#shared/expected.ts';
import type { DriverKind, DriverStart, Failure } from '../../engine/player/ports.ts';
import { SourceRace, type ConnectionEvents, type RaceEvents } from '../../engine/player/race.ts';
import { browserClock } from './clock.ts';

const load = () => import('mpegts.js');
type Library = Awaited<ReturnType<typeof load>>['default'];

/** As mpegts.js itself decides, without loading it. */
const mediaSource = () => 'ManagedMediaSource' in globalThis || 'MediaSource' in globalThis;

/** Safari has it under a name of its own, and keeps to AAC. */
const OPUS = 'audio/mp4; codecs="opus"';

/**
 * True if the sound may come as Opus, which is not encoded a second time and so is earlier: this browser plays
 * it, and all servers are our own. A CDN may hand one viewer's stream to the next, who asked for another.
 */
const takesOpus = ({ address, alternatives }: DriverStart): boolean =>
  'MediaSource' in globalThis &&
  MediaSource.isTypeSupported(OPUS) &&
  alternatives().every((other) => new URL(other).host === new URL(address()).host);

function withOpus(address: string): string {
  const url = new URL(address);
  url.searchParams.set('sound', 'opus');
  return url.href;
}

/** Feeds `video`. */
export function flvDriver(video: HTMLVideoElement): DriverKind {
  return {
    protocol: 'flv',
    supported: () => mediaSource() && 'ReadableStream' in globalThis,
    preload: () => void load().catch(expected('loaded again when it is needed')),
    open(start, events) {
      let destroy: () => void = () => undefined;
      let closed = false;
      let server: string | null = null;
      const fail = (failure: Failure) => {
        if (!closed) events.failed(failure);
      };
      const begin = async () => {
        const { default: mpegts } = await load();
        if (closed) return;
        mpegts.LoggingControl.applyConfig({ enableAll: false });
        if (!mpegts.isSupported()) {
          fail({ kind: 'media' });
          return;
        }
        const player = mpegts.createPlayer(
          // mpegts.js wants to be given an address; it is the loader that knows them.
          { type: 'flv', isLive: true, url: start.address() },
          {
            enableStashBuffer: false,
            lazyLoad: false,
            autoCleanupSourceBuffer: true,
            autoCleanupMaxBackwardDuration: 60,
            autoCleanupMinBackwardDuration: 30,
            customLoader: loaderFor(mpegts, start, {
              from: (address) => (server = nameOf(address)),
              failed: fail,
            }),
          },
        );
        destroy = () => player.destroy();
        player.on(mpegts.Events.ERROR, (type: string) => {
          fail({ kind: type === mpegts.ErrorTypes.MEDIA_ERROR ? 'media' : 'network' });
        });
        player.attachMediaElement(video);
        player.load();
        void video.play().catch(expected('a browser that wants a gesture first'));
      };
      begin().catch(() => fail({ kind: 'network' }));
      return {
        paced: false,
        latencyMs: () => null,
        server: () => server,
        chooseLevel: () => undefined,
        close() {
          closed = true;
          destroy();
          destroy = () => undefined;
        },
      };
    },
  };
}

/** A loader for mpegts.js that takes the stream from the one of several servers that brings it. */
function loaderFor(mpegts: Library, start: DriverStart, told: Pick<RaceEvents, 'from' | 'failed'>) {
  // Its declarations call the two deprecated for want of a better place for their types; they are how it is done.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const { BaseLoader, LoaderStatus } = mpegts;
  const { kConnecting, kBuffering, kIdle } = LoaderStatus;
  return class RaceLoader extends BaseLoader {
    #race: SourceRace | undefined;
    #receivedBytes = 0;

    constructor() {
      super('race');
    }

    override open(): void {
      this._status = kConnecting;
      const asOpus = takesOpus(start);
      this.#race = new SourceRace({
        clock: browserClock,
        addresses: start.alternatives,
        reserve: start.address,
        connect: (address, events) =>
          (address.startsWith('ws') ? listen : read)(asOpus ? withOpus(address) : address, events),
        events: {
          ...told,
          bytes: (chunk) => {
            this._status = kBuffering;
            const fromByte = this.#receivedBytes;
            this.#receivedBytes += chunk.length;
            this.onDataArrival(chunk.buffer, fromByte, this.#receivedBytes);
          },
        },
      });
    }

    override abort(): void {
      this.#race?.close();
      this._status = kIdle;
    }

    override destroy(): void {
      this.abort();
      super.destroy();
    }
  };
}

/** `host:port`, and the carrier if it is not HTTP. */
function nameOf(address: string): string {
  const { host, protocol } = new URL(address);
  return protocol.startsWith('ws') ? `${host} (WebSocket)` : host;
}

/** Takes one address as it comes over a WebSocket. Returns the function that hangs up. */
function listen(address: string, events: ConnectionEvents): () => void {
  const socket = new WebSocket(address);
  socket.binaryType = 'arraybuffer';
  const stop = new AbortController();
  const { signal } = stop;
  socket.addEventListener(
    'message',
    ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) events.bytes(new Uint8Array(data));
    },
    { signal },
  );
  // Why it was not opened is not told.
  socket.addEventListener(
    'close',
    ({ code }) => events.failed({ kind: code === 1_000 ? 'ended' : 'network' }),
    {
      signal,
    },
  );
  return () => {
    stop.abort();
    socket.close();
  };
}

/** Reads one address as it comes over HTTP. Returns the function that hangs up. */
function read(address: string, events: ConnectionEvents): () => void {
  const stop = new AbortController();
  const run = async () => {
    const response = await fetch(address, {
      signal: stop.signal,
      cache: 'no-store',
      credentials: 'omit',
      // A rule by site (docs/access.md) needs to know the site, and no more than that.
      referrerPolicy: 'origin',
    });
    if (!response.ok || response.body === null) {
      events.failed({ kind: 'refused', status: response.status });
      stop.abort();
      return;
    }
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (stop.signal.aborted) return;
      if (done) break;
      events.bytes(value);
    }
    events.failed({ kind: 'ended' });
  };
  run().catch(() => {
    if (!stop.signal.aborted) events.failed({ kind: 'network' });
  });
  return () => stop.abort();
}
