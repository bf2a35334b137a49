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

/** For a live channel: the lowest latency first. */
export function liveDrivers(video: HTMLVideoElement): DriverKind[] {
  const through = [flvDriver(video), hlsDriver(video, 'll-hls'), hlsDriver(video, 'hls')];
  return nativeFirst() ? [nativeHlsDriver(video), ...through] : [...through, nativeHlsDriver(video)];
}

/** For a recording: what can seek. */
export function replayDrivers(video: HTMLVideoElement): DriverKind[] {
  const both = [hlsDriver(video, 'hls'), nativeHlsDriver(video)];
  return nativeFirst() ? both.reverse() : both;
}
