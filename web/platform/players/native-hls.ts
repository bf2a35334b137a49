// HLS by the browser itself: on iPhones.
import type { DriverKind } from '../../engine/player/ports.ts';
import { marksOfPlaylist } from '../../engine/player/playback-timeline.ts';

/** Feeds `video`. */
export function nativeHlsDriver(video: HTMLVideoElement, serverMs: () => number): DriverKind {
  return {
    protocol: 'native',
    supported: () => video.canPlayType('application/vnd.apple.mpegurl') !== '',
    preload: () => undefined,
    open({ mode, atS, address }, events) {
      const stop = new AbortController();
      const { signal } = stop;
      video.addEventListener(
        'error',
        () =>
          events.failed({ kind: video.error?.code === MediaError.MEDIA_ERR_DECODE ? 'media' : 'network' }),
        { signal },
      );
      video.addEventListener(
        'loadedmetadata',
        () => {
          if (atS > 0) video.currentTime = atS;
        },
        { signal },
      );
      video.src = address();
      if (mode === 'seekable') {
        readMarks(address(), signal).then(events.marks, () => undefined);
      }
      return {
        // The browser keeps its own distance to the edge; speeding up a native stream makes it stutter.
        paced: true,
        latencyMs: () => latencyOf(video, serverMs()),
        server: () => new URL(address()).host,
        chooseLevel: () => undefined,
        close() {
          stop.abort();
          video.removeAttribute('src');
          video.load();
        },
      };
    },
  };
}

/** The start of the source in wall-clock time, which Safari tells (HTML, `getStartDate`). */
function latencyOf(video: HTMLVideoElement & { getStartDate?: () => Date }, nowMs: number): number | null {
  const startMs = video.getStartDate?.().getTime() ?? Number.NaN;
  if (Number.isFinite(startMs)) return Math.max(0, Math.round(nowMs - startMs - video.currentTime * 1_000));
  const { seekable } = video;
  return seekable.length === 0
    ? null
    : Math.round((seekable.end(seekable.length - 1) - video.currentTime) * 1_000);
}

async function readMarks(address: string, signal: AbortSignal) {
  const top = await (await fetch(address, { signal })).text();
  const first = top
    .split(/\r?\n/)
    .find((_line, index, lines) => lines[index - 1]?.startsWith('#EXT-X-STREAM-INF'));
  if (first === undefined) return marksOfPlaylist(top);
  return marksOfPlaylist(await (await fetch(new URL(first, address), { signal })).text());
}
