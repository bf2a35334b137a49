// A clock moved by hand, a screen and drivers that do what the test says, and a record of what was asked.
import type { LiveAddresses, PlayerState } from '../../../web/engine/player/live-player.ts';
import { LivePlayer } from '../../../web/engine/player/live-player.ts';
import type { PlaybackStats } from '../../../web/engine/player/metrics.ts';
import type {
  PlayerClock,
  DriverEvents,
  DriverKind,
  DriverStart,
  Protocol,
  Range,
  Screen,
  ScreenEvent,
} from '../../../web/engine/player/ports.ts';

export class HandClock implements PlayerClock {
  #nowMs = 0;
  #timers = new Set<{ atMs: number; callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers are still set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.delete(next);
      this.#nowMs = next.atMs;
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}

export class HandScreen implements Screen {
  positionS = 0;
  paused = false;
  height = 720;
  ranges: Range[] = [];
  seekable: Range | null = null;
  rate = 1;
  autoplay: 'playing' | 'muted' | 'blocked' = 'playing';
  readonly seeks: number[] = [];
  #listeners = new Set<(event: ScreenEvent) => void>();

  seek(toS: number): void {
    this.seeks.push(toS);
    this.positionS = toS;
  }

  play() {
    return Promise.resolve(this.autoplay);
  }

  listen(listener: (event: ScreenEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  say(event: ScreenEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

export interface Opened extends DriverEvents {
  readonly protocol: Protocol;
  readonly start: DriverStart;
  closed: boolean;
  level: number | null | undefined;
}

/** A viewer: the player with everything around it in the test's hands. */
export function viewer(supported: readonly Protocol[] = ['flv', 'll-hls', 'hls', 'native']) {
  const clock = new HandClock();
  const screen = new HandScreen();
  const opened: Opened[] = [];
  const states: string[] = [];
  const modes: string[] = [];
  let stats: PlaybackStats | undefined;
  const kind = (protocol: Protocol): DriverKind => ({
    protocol,
    supported: () => supported.includes(protocol),
    preload: () => undefined,
    open(start, events) {
      const source: Opened = { ...events, protocol, start, closed: false, level: undefined };
      opened.push(source);
      return {
        paced: protocol !== 'flv',
        latencyMs: () => null,
        server: () => 'lectern',
        chooseLevel: (index) => (source.level = index),
        close: () => (source.closed = true),
      };
    },
  });
  const player = new LivePlayer({
    screen,
    clock,
    random: () => 1,
    drivers: [kind('flv'), kind('ll-hls'), kind('hls'), kind('native')],
    events: {
      state: (state: PlayerState) =>
        states.push('protocol' in state ? `${state.name} ${state.protocol}` : state.name),
      mode: (mode) => modes.push(mode),
      levels: () => undefined,
      stats: (latest) => (stats = latest),
      marks: () => undefined,
      autoplay: () => undefined,
    },
  });
  return {
    clock,
    screen,
    player,
    opened,
    states,
    modes,
    stats: () => stats!,
    /** The source that is open now. */
    source: () => opened.at(-1)!,
    /** The first picture of the present source, with `bufferS` seconds behind it. */
    picture(bufferS = 0.4) {
      screen.ranges = [{ startS: screen.positionS, endS: screen.positionS + bufferS }];
      screen.say('frame');
    },
    /** Lets time pass with media arriving and playing as it should. */
    watch(ms: number) {
      for (let passed = 0; passed < ms; passed += 200) {
        screen.positionS += 0.2 * screen.rate;
        const [range] = screen.ranges;
        if (range !== undefined) screen.ranges = [{ ...range, endS: range.endS + 0.2 }];
        clock.pass(200);
      }
    },
  };
}

export const addresses = (sign = 'first'): LiveAddresses => ({
  flv: `http://lectern/live/c.flv?sign=${sign}`,
  flvs: [`http://lectern/live/c.flv?sign=${sign}`],
  hls: `http://lectern/live/c/index.m3u8?sign=${sign}`,
  dvr: `http://lectern/live/c/dvr.m3u8?sign=${sign}`,
});
