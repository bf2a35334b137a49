// HLS through Media Source, by hls.js.
import type { ErrorData, Events, HlsConfig, LevelDetails } from 'hls.js';
import type Hls from 'hls.js';
import { expected } from '#shared/expected.ts';
import type { DriverEvents, DriverKind, DriverStart, Failure, Mark } from '../../engine/player/ports.ts';
import { Calm } from '../../engine/player/latency.ts';
import { withSignatureOf } from '../../engine/player/signed-address.ts';
import { browserClock } from './clock.ts';

const load = () => import('hls.js');

/** How far behind the newest segment to stay, in s: two segments. */
const LIVE_SYNC_S = 4;
/** Further behind than this, it jumps, in s. */
const LIVE_MAX_S = 15;
const LOW_LATENCY_MAX_S = 8;
/** What each stall adds to the distance while low latency is wanted, in s. */
const STALL_ADDS_S = 0.5;
/** The speed that catches up and is not noticed. */
const FAST_MAX = 1.1;
/** How much may be played again without loading it, in s. */
const BACK_BUFFER_S = 60;
/**
 * The earliest beginning to ask for, in s. After an interruption hls.js may find that the sound's playlist begins
 * a frame after the picture's; a player that asks for 0 then gets the sound of the live edge, and neither is shown.
 */
const EARLIEST_START_S = 0.1;
/** So close to the end of all that there is, a player that waits has played it, in s. */
const AT_END_S = 1;
/** Marks are told again where they moved by more than this, in s. */
const MOVED_S = 0.05;
/** What a network is taken for until it was measured, in bits per second. */
const FIRST_ESTIMATE_BPS = 2_500_000;

/** Feeds `video`; `ll-hls` keeps the distance that the server names for its parts (RFC 8216bis, §4.4.3.8). */
export function hlsDriver(
  video: HTMLVideoElement,
  protocol: 'll-hls' | 'hls',
  serverMs: () => number,
): DriverKind {
  return {
    protocol,
    supported: () => 'ManagedMediaSource' in globalThis || 'MediaSource' in globalThis,
    preload: () => void load().catch(expected('loaded again when it is needed')),
    open(start, events) {
      let hls: Hls | undefined;
      let closed = false;
      let calm: Calm | undefined;
      const begin = async () => {
        const { default: Player } = await load();
        if (closed) return;
        if (!Player.isSupported()) {
          events.failed({ kind: 'media' });
          return;
        }
        const opened = new Player(settings(start, protocol));
        hls = opened;
        connect(opened, Player.Events, start, events);
        if (protocol === 'll-hls') calm = keepClose(opened, Player.Events);
        hls.attachMedia(video);
        hls.loadSource(start.address());
        void video.play().catch(expected('a browser that wants a gesture first'));
      };
      begin().catch(() => events.failed({ kind: 'network' }));
      return {
        paced: true,
        latencyMs: () => (hls === undefined ? null : latencyOf(hls, serverMs())),
        server: () => new URL(start.address()).host,
        chooseLevel(index) {
          if (hls === undefined) return;
          hls.nextLevel = index ?? -1;
          events.levels(levelsOf(hls));
        },
        close() {
          closed = true;
          calm?.close();
          hls?.destroy();
          hls = undefined;
        },
      };
    },
  };
}

function settings({ mode, atS, address }: DriverStart, protocol: 'll-hls' | 'hls'): Partial<HlsConfig> {
  return {
    lowLatencyMode: mode === 'live' && protocol === 'll-hls',
    liveSyncOnStallIncrease: STALL_ADDS_S,
    maxLiveSyncPlaybackRate: FAST_MAX,
    startPosition: atS < 0 ? atS : Math.max(atS, EARLIEST_START_S),
    startFragPrefetch: true,
    testBandwidth: false,
    abrEwmaDefaultEstimate: FIRST_ESTIMATE_BPS,
    capLevelToPlayerSize: true,
    backBufferLength: BACK_BUFFER_S,
    ...(mode === 'live' &&
      protocol === 'hls' && { liveSyncDuration: LIVE_SYNC_S, liveMaxLatencyDuration: LIVE_MAX_S }),
    // Signatures expire in the course of a long class; each request carries the newest.
    xhrSetup: (request, url) => request.open('GET', withSignatureOf(address(), url), true),
  };
}

function connect(hls: Hls, names: typeof Events, { mode }: DriverStart, events: DriverEvents): void {
  let recoveries = 0;
  hls.on(names.ERROR, (_name, data) => {
    if (data.details === 'bufferStalledError') endIfOver(hls, names);
    if (!data.fatal) return;
    // One decoder error is often over after a flush; a second one is not.
    if (data.type === 'mediaError' && recoveries === 0) {
      recoveries += 1;
      hls.recoverMediaError();
      return;
    }
    events.failed(toFailure(data));
  });
  const tellLevels = () => events.levels(levelsOf(hls));
  hls.on(names.MANIFEST_PARSED, tellLevels);
  hls.on(names.LEVEL_SWITCHED, tellLevels);
  if (mode === 'seekable') {
    let toldEndS = 0;
    const tellMarks = (details: LevelDetails) => {
      toldEndS = details.edge;
      events.marks(marksOf(details));
    };
    hls.on(names.LEVEL_UPDATED, (_name, { details }) => tellMarks(details));
    hls.on(names.LEVEL_LOADED, (_name, { details }) => tellMarks(details));
    // A segment turned out to be longer than its playlist says: what comes after it plays later.
    hls.on(names.LEVEL_PTS_UPDATED, (_name, { details }) => {
      if (Math.abs(details.edge - toldEndS) > MOVED_S) tellMarks(details);
    });
  }
}

/**
 * Where the sound has a hole that the picture has not, as short as it is where a recording was paused, hls.js 1.7.4
 * thinks that more has to be loaded after the last segment, and waits for it forever.
 */
function endIfOver(hls: Hls, names: typeof Events): void {
  const { media, latestLevelDetails: details } = hls;
  if (media === null || details === null || details.live || media.buffered.length === 0) return;
  const endS = media.buffered.end(media.buffered.length - 1);
  if (endS > details.edge - AT_END_S && media.currentTime > endS - AT_END_S)
    for (const type of ['video', 'audio'] as const) hls.trigger(names.BUFFER_EOS, { type });
}

/**
 * hls.js keeps further back after each stall, and forever: after a quiet while it comes back to the
 * distance that the server names, or to ours where the server has no parts.
 */
function keepClose(hls: Hls, names: typeof Events): Calm {
  // Only afterwards: hls.js takes it as a setting only together with a distance of ours.
  hls.config.liveMaxLatencyDuration = LOW_LATENCY_MAX_S;
  const restore = () => {
    hls.targetLatency = hls.latestLevelDetails?.partHoldBack || LIVE_SYNC_S;
  };
  const calm = new Calm(browserClock, restore);
  hls.on(names.ERROR, (_name, { details }) => details === 'bufferStalledError' && calm.stalled());
  hls.once(names.LEVEL_UPDATED, (_name, { details }) => {
    if (details.partHoldBack === 0) restore();
  });
  return calm;
}

function toFailure(data: ErrorData): Failure {
  if (data.type === 'mediaError' || data.type === 'muxError') return { kind: 'media' };
  const status = data.response?.code ?? 0;
  return status >= 400 ? { kind: 'refused', status } : { kind: 'network' };
}

function levelsOf(hls: Hls) {
  return {
    levels: hls.levels.map(({ height, bitrate }, index) => ({ index, height, bitrate })),
    current: hls.currentLevel >= 0 ? hls.currentLevel : null,
    chosen: hls.manualLevel >= 0 ? hls.manualLevel : null,
  };
}

/** Times of a gateway that are further off than this are wrong, in ms: then hls.js's own estimate is the better one. */
const CLOCK_ERROR_MS = 120_000;

function latencyOf(hls: Hls, nowMs: number): number | null {
  const shown = hls.playingDate?.getTime();
  if (shown !== undefined) {
    const behindMs = Math.round(nowMs - shown);
    if (behindMs > 0 && behindMs < CLOCK_ERROR_MS) return behindMs;
  }
  return hls.latency > 0 ? Math.round(hls.latency * 1_000) : null;
}

function marksOf(details: LevelDetails): Mark[] {
  return details.fragments.flatMap(({ programDateTime, start, end, tagList }) =>
    programDateTime === null || tagList.some(([name]) => name === 'GAP')
      ? []
      : [{ startS: start, endS: end, wallMs: programDateTime }],
  );
}
