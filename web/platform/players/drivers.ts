// Which players this browser has, best first.
import type { DriverKind } from '../../engine/player/ports.ts';
import { flvDriver } from './flv.ts';
import { hlsDriver } from './hls.ts';
import { nativeHlsDriver } from './native-hls.ts';

/**
 * iPhones have no Media Source, or only the managed one; there the browser's own HLS survives the lock screen,
 * AirPlay and a small battery. Elsewhere it plays nothing that hls.js does not, and offers no choice of quality.
 */
const isNativeBest = () => !('MediaSource' in globalThis);

/** For a live channel: the lowest latency first. `serverMs` is the server's time, in ms since 1970. */
export function liveDrivers(video: HTMLVideoElement, serverMs: () => number): DriverKind[] {
  const through = [flvDriver(video), hlsDriver(video, 'll-hls', serverMs), hlsDriver(video, 'hls', serverMs)];
  return isNativeBest() ? [nativeHlsDriver(video, serverMs), ...through] : through;
}

/** For a recording: what can seek. */
export function replayDrivers(video: HTMLVideoElement, serverMs: () => number): DriverKind[] {
  const through = hlsDriver(video, 'hls', serverMs);
  return isNativeBest() ? [nativeHlsDriver(video, serverMs), through] : [through];
}
