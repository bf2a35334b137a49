// What an operator should look at, out of the figures of the services.
import type {
  ChannelStatus,
  GatewayStatus,
  ServiceName,
  SfuStatus,
  Warning,
} from '#shared/contract/status.ts';

const GIB = 2 ** 30;
/** An hour of class takes about 1.5 GiB. */
const DISK_LOW_BYTES = 10 * GIB;
const DISK_LOW_PART = 0.1;
const DISK_FULL_BYTES = 0.5 * GIB;
/** The gateway gives up the gap of a reload; what lasts longer is somebody's trouble. */
const LOSS_RATIO = 0.02;
/** A viewer who joins waits for the next key frame, unless the gateway has one: HLS cuts at them. */
const KEYFRAMES_RARE_MS = 8_000;
/** ITU-R BT.1359: viewers notice sound that is 125 ms late; handing over has its own delay on top of that. */
const SKEW_MS = 400;
const SLOW_READERS = 3;
const SOUND_LATE_MS = 500;
const EVENTS_WAITING = 200;

/** What is known; `undefined` for a service that does not answer. */
export interface Facts {
  readonly gateway: GatewayStatus | undefined;
  readonly sfu: SfuStatus | undefined;
}

/** The warnings, the most urgent first. */
export function warningsOf({ gateway, sfu }: Facts): Warning[] {
  return [
    ...down('gateway', gateway),
    ...down('sfu', sfu),
    ...(gateway === undefined ? [] : [...diskOf(gateway), ...gateway.channels.flatMap(classOf)]),
    ...(gateway === undefined ? [] : soundOf(gateway)),
    ...(sfu !== undefined && sfu.workerDeaths > 0
      ? [{ code: 'worker-died', service: 'sfu', value: sfu.workerDeaths } as const]
      : []),
    ...waiting('gateway', gateway),
    ...waiting('sfu', sfu),
  ];
}

const down = (service: ServiceName, status: object | undefined): Warning[] =>
  status === undefined ? [{ code: 'service-down', service }] : [];

function diskOf({ disk }: GatewayStatus): Warning[] {
  const { freeBytes, sizeBytes } = disk;
  if (sizeBytes === 0) return [{ code: 'disk-unavailable' }];
  if (freeBytes < DISK_FULL_BYTES) return [{ code: 'disk-full', value: freeBytes }];
  const low = freeBytes < DISK_LOW_BYTES && freeBytes < sizeBytes * DISK_LOW_PART;
  return low ? [{ code: 'disk-low', value: freeBytes }] : [];
}

function classOf(channel: ChannelStatus): Warning[] {
  const { lesson, title, state, notice, diskTrouble, lossRatio, keyframeIntervalMs, skewMs, slowReaders } =
    channel;
  const warnings: Warning[] = [];
  const warn = (warning: Warning) => warnings.push({ ...warning, lesson, title });
  if (state === 'interrupted') warn({ code: 'source-gone' });
  if (diskTrouble !== null) warn({ code: 'not-recorded' });
  if (notice !== null) warn({ code: 'class-notice', notice });
  if (state !== 'live') return warnings;
  if (lossRatio >= LOSS_RATIO) warn({ code: 'packet-loss', value: lossRatio });
  if (keyframeIntervalMs !== null && keyframeIntervalMs > KEYFRAMES_RARE_MS) {
    warn({ code: 'keyframes-rare', value: keyframeIntervalMs });
  }
  if (skewMs !== null && Math.abs(skewMs) > SKEW_MS) warn({ code: 'skew', value: skewMs });
  if (slowReaders >= SLOW_READERS) warn({ code: 'viewers-slow', value: slowReaders });
  return warnings;
}

const soundOf = ({ sound }: GatewayStatus): Warning[] =>
  sound.lagMs > SOUND_LATE_MS ? [{ code: 'sound-late', value: Math.round(sound.lagMs) }] : [];

const waiting = (service: ServiceName, status: { outbox: number } | undefined): Warning[] =>
  status !== undefined && status.outbox > EVENTS_WAITING
    ? [{ code: 'events-waiting', service, value: status.outbox }]
    : [];
