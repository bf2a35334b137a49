// Which players this browser has, best first.
import type { DriverKind } from '../../engine/player/ports.ts';
import { flvDriver } from './flv.ts';
import { hlsDriver } from './hls.ts';
import { nativeHlsDriver } from './native-hls.ts';

/**
 * iPhones have only Managed Media Source; there the browser's own HLS is the one that survives the
 * lock screen, AirPlay and a small battery.
 */
const nativeFirst = () => 'ManagedMediaSource' in globalThis && !('MediaSource' in globalThis);

/** For a live channel: the lowest latency first. `serverMs` is the server's time, in ms since 1970. */
export function liveDrivers(video: HTMLVideoElement, serverMs: () => number): DriverKind[] {
  const through = [flvDriver(video), hlsDriver(video, 'll-hls', serverMs), hlsDriver(video, 'hls', serverMs)];
  const native = nativeHlsDriver(video, serverMs);
  return nativeFirst() ? [native, ...through] : [...through, native];
}

/** For a recording: what can seek. */
export function replayDrivers(video: HTMLVideoElement, serverMs: () => number): DriverKind[] {
  const both = [hlsDriver(video, 'hls', serverMs), nativeHlsDriver(video, serverMs)];
  return nativeFirst() ? both.reverse() : both;
}
