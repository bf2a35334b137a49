// HTTP-FLV through Media Source, by mpegts.js: the lowest latency a page can have over plain HTTP.
import type { DriverKind, Failure } from '../../engine/player/ports.ts';

const load = () => import('mpegts.js');

/** As mpegts.js itself decides, without loading it. */
const mediaSource = () => 'ManagedMediaSource' in globalThis || 'MediaSource' in globalThis;

/** Feeds `video`. */
export function flvDriver(video: HTMLVideoElement): DriverKind {
  return {
    protocol: 'flv',
    supported: () => mediaSource() && 'ReadableStream' in globalThis,
    preload: () => void load().catch(() => undefined),
    open({ address }, events) {
      let destroy: () => void = () => undefined;
      let closed = false;
      const begin = async () => {
        const { default: mpegts } = await load();
        if (closed) return;
        mpegts.LoggingControl.applyConfig({ enableAll: false });
        if (!mpegts.isSupported()) {
          events.failed({ kind: 'media' });
          return;
        }
        const player = mpegts.createPlayer(
          { type: 'flv', isLive: true, url: address() },
          {
            enableStashBuffer: false,
            lazyLoad: false,
            autoCleanupSourceBuffer: true,
            autoCleanupMaxBackwardDuration: 60,
            autoCleanupMinBackwardDuration: 30,
          },
        );
        destroy = () => player.destroy();
        player.on(mpegts.Events.ERROR, (type: string, detail: string, info: unknown) => {
          events.failed(toFailure(type === mpegts.ErrorTypes.MEDIA_ERROR, detail, info));
        });
        player.on(mpegts.Events.LOADING_COMPLETE, () => events.failed({ kind: 'ended' }));
        player.attachMediaElement(video);
        player.load();
        void video.play().catch(() => undefined);
      };
      begin().catch(() => events.failed({ kind: 'network' }));
      return {
        paced: false,
        latencyMs: () => null,
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

function toFailure(media: boolean, detail: string, info: unknown): Failure {
  if (media) return { kind: 'media' };
  const status = detail === 'HttpStatusCodeInvalid' ? Number((info as { code?: unknown } | null)?.code) : 0;
  return status >= 400 ? { kind: 'refused', status } : { kind: 'network' };
}
