// Plays a channel: chooses the protocol, keeps to the live edge, falls over and tries again forever.
// Headless: the screen, the drivers and the clock come through ports.
import { Chooser, STEADY_MS, type ProtocolPreference } from './chooser.ts';
import { LatencyTarget, steer } from './latency.ts';
import { Metrics, type PlaybackStats } from './metrics.ts';
import type {
  PlayerClock,
  Driver,
  DriverKind,
  Failure,
  LevelChoice,
  Mark,
  Protocol,
  Screen,
  ScreenEvent,
} from './ports.ts';

/** How often the distance to the live edge is looked at, in ms. */
const TICK_MS = 200;
/** A source without a picture after this is given up, in ms. */
const FIRST_FRAME_LIMIT_MS = 8_000;
/** A source that brings nothing for this long is opened again: its connection may be dead, in ms. */
const STALL_LIMIT_MS = 9_000;
/** A live source paused for longer than this is let go, in ms: nobody watches it. */
const PAUSE_KEEP_MS = 15_000;
/** A first picture this far from where it was to be is put right, in s; segments do not begin to the second. */
const START_TOLERANCE_S = 3;

export interface LiveAddresses {
  readonly flv: string;
  /** The same on other servers. */
  readonly flvs: readonly string[];
  readonly hls: string;
  readonly dvr: string;
}

export type PlayerState =
  | { readonly name: 'idle' }
  | { readonly name: 'opening'; readonly protocol: Protocol }
  | { readonly name: 'playing'; readonly protocol: Protocol }
  | { readonly name: 'stalled'; readonly protocol: Protocol; readonly sinceMs: number }
  | { readonly name: 'paused' }
  | { readonly name: 'retrying'; readonly failure: Failure };

/** `live`: at the edge. `rewound`: anywhere in the broadcast so far. */
export type PlayerMode = 'live' | 'rewound';

export interface LivePlayerEvents {
  state(state: PlayerState): void;
  mode(mode: PlayerMode): void;
  levels(choice: LevelChoice): void;
  stats(stats: PlaybackStats): void;
  /** How the clock of what can be gone back to and the wall's belong together. */
  marks(marks: readonly Mark[]): void;
  /** The browser plays without sound, or not at all, until the person presses something. */
  autoplay(outcome: 'playing' | 'muted' | 'blocked'): void;
}

export interface LivePlayerOptions {
  readonly screen: Screen;
  /** In order of preference. */
  readonly drivers: readonly DriverKind[];
  readonly clock: PlayerClock;
  readonly random: () => number;
  readonly events: LivePlayerEvents;
}

/** One opened source. */
interface Source {
  readonly driver: Driver;
  readonly protocol: Protocol;
  readonly openedAtMs: number;
  /** When its first picture showed. */
  playingAtMs: number | null;
  corrected: boolean;
}

const NO_LEVELS: LevelChoice = { levels: [], current: null, chosen: null };

export class LivePlayer {
  readonly #options: LivePlayerOptions;
  readonly #target: LatencyTarget;
  readonly #metrics: Metrics;
  readonly #stopListening: () => void;
  #chooser: Chooser;
  #addresses: LiveAddresses | undefined;
  #state: PlayerState = { name: 'idle' };
  #mode: PlayerMode = 'live';
  #rewindTo = -1;
  #levels: LevelChoice['levels'] = [];
  /** The chosen quality in lines; null is automatic. */
  #height: number | null = null;
  #source: Source | undefined;
  #cancelTick: () => void = () => undefined;
  #cancelRetry: () => void = () => undefined;
  #cancelPause: () => void = () => undefined;

  constructor(options: LivePlayerOptions) {
    this.#options = options;
    const nowMs = options.clock.nowMs();
    this.#target = new LatencyTarget(nowMs);
    this.#metrics = new Metrics(nowMs);
    this.#chooser = this.#choose('auto');
    this.#stopListening = options.screen.listen((event) => this.#onScreen(event));
  }

  get state(): PlayerState {
    return this.#state;
  }

  /** Begins to play, or goes on with fresh addresses. */
  start(addresses: LiveAddresses): void {
    this.#addresses = addresses;
    if (this.#state.name !== 'idle') return;
    this.#metrics.restart(this.#now);
    this.#open();
  }

  /** Lets the source go; `start` begins again. */
  stop(): void {
    this.#drop();
    this.#enter({ name: 'idle' });
    this.#setMode('live');
  }

  /** Takes the person's choice of protocol. */
  deliver(delivery: ProtocolPreference): void {
    this.#chooser = this.#choose(delivery);
    if (this.#mode === 'live' && this.#state.name !== 'idle') this.#reopen();
  }

  /** Takes the person's choice of quality, null being automatic; it holds for every source from now on. */
  chooseLevel(index: number | null): void {
    this.#height =
      index === null ? null : (this.#levels.find((level) => level.index === index)?.height ?? null);
    this.#source?.driver.chooseLevel(index);
  }

  /** Goes back to `toS` of the broadcast (0 is its beginning), or, if negative, that far from its end. */
  rewind(toS: number): void {
    if (this.#mode === 'rewound' && this.#source?.playingAtMs != null) {
      const { seekable } = this.#options.screen;
      if (seekable !== null) this.#options.screen.seek(toS < 0 ? seekable.endS + toS : toS);
      return;
    }
    this.#rewindTo = toS;
    this.#setMode('rewound');
    this.#reopen();
  }

  /** Back to the live edge. */
  goLive(): void {
    if (this.#mode === 'live' && this.#source !== undefined) {
      const edge = this.#options.screen.ranges.at(-1);
      if (edge !== undefined) this.#options.screen.seek(Math.max(edge.startS, edge.endS - 1));
      void this.#play();
      return;
    }
    this.#setMode('live');
    this.#reopen();
  }

  close(): void {
    this.#stopListening();
    this.#drop();
    this.#state = { name: 'idle' };
  }

  get #now(): number {
    return this.#options.clock.nowMs();
  }

  #choose(delivery: ProtocolPreference): Chooser {
    const supported = this.#options.drivers.filter((kind) => kind.supported());
    return new Chooser(
      supported.map((kind) => kind.protocol),
      delivery,
      this.#options.random,
    );
  }

  #reopen(): void {
    this.#drop();
    this.#open();
  }

  #open(): void {
    const addresses = this.#addresses;
    if (addresses === undefined) return;
    // Only HLS can go back to the beginning.
    const protocol = this.#mode === 'live' ? this.#chooser.protocol : this.#seekableProtocol();
    const kind = this.#options.drivers.find((driver) => driver.protocol === protocol);
    if (kind === undefined) return;
    this.#enter({ name: 'opening', protocol });
    const mode = this.#mode === 'live' ? 'live' : 'seekable';
    const which = this.#mode === 'rewound' ? 'dvr' : protocol === 'flv' ? 'flv' : 'hls';
    // Events of a driver that was let go meanwhile are nobody's business.
    const mine = () => source !== undefined && this.#source === source;
    let source: Source | undefined = undefined as Source | undefined;
    const driver = kind.open(
      {
        mode,
        atS: mode === 'seekable' && this.#rewindTo >= 0 ? this.#rewindTo : -1,
        address: () => this.#addresses?.[which] ?? addresses[which],
        alternatives: () => (which === 'flv' ? (this.#addresses ?? addresses).flvs : []),
      },
      {
        failed: (failure) => mine() && this.#fail(failure),
        levels: (choice) => mine() && this.#onLevels(choice),
        marks: (marks) => mine() && this.#options.events.marks(marks),
      },
    );
    source = { driver, protocol, openedAtMs: this.#now, playingAtMs: null, corrected: false };
    this.#source = source;
    this.#tickLater();
    void this.#play();
  }

  #seekableProtocol(): Protocol {
    const able = this.#options.drivers.filter(
      ({ protocol, supported }) => (protocol === 'hls' || protocol === 'native') && supported(),
    );
    return able[0]?.protocol ?? 'native';
  }

  async #play(): Promise<void> {
    const outcome = await this.#options.screen.play();
    if (this.#source !== undefined) this.#options.events.autoplay(outcome);
  }

  #onLevels(choice: LevelChoice): void {
    const fresh = this.#levels.length === 0 && choice.levels.length > 0;
    this.#levels = choice.levels;
    this.#options.events.levels(choice);
    if (!fresh || this.#height === null) return;
    const kept = choice.levels.find(({ height }) => height === this.#height);
    if (kept !== undefined && choice.chosen !== kept.index) this.#source?.driver.chooseLevel(kept.index);
  }

  #drop(): void {
    this.#levels = [];
    this.#cancelTick();
    this.#cancelRetry();
    this.#cancelPause();
    this.#source?.driver.close();
    this.#source = undefined;
    this.#options.events.levels(NO_LEVELS);
  }

  #fail(failure: Failure): void {
    this.#metrics.stallBegins(this.#now);
    if (this.#mode === 'rewound' && this.#source?.playingAtMs != null) {
      this.#rewindTo = this.#options.screen.positionS;
    }
    this.#drop();
    const { delayMs } = this.#chooser.failed(failure);
    this.#enter({ name: 'retrying', failure });
    this.#cancelRetry = this.#options.clock.after(delayMs, () => this.#open());
  }

  #onScreen(event: ScreenEvent): void {
    const source = this.#source;
    if (source === undefined) {
      if (event === 'resumed' && this.#state.name === 'paused') this.#open();
      return;
    }
    if (event === 'frame' && source.playingAtMs === null) {
      source.playingAtMs = this.#now;
      this.#metrics.noteFrame(this.#now);
      this.#onFirstFrame();
    } else if (event === 'playing') {
      if (source.playingAtMs === null) return;
      this.#metrics.stallEnds(this.#now);
      this.#enter({ name: 'playing', protocol: source.protocol });
    } else if (event === 'waiting') {
      if (this.#state.name === 'playing' && !this.#options.screen.paused) this.#onStall(source);
    } else if (event === 'seeking') {
      if (this.#state.name === 'playing') {
        this.#enter({ name: 'stalled', protocol: source.protocol, sinceMs: this.#now });
      }
    } else if (event === 'paused') {
      this.#onPause();
    } else if (event === 'resumed') {
      this.#onResume(source);
    } else if (event === 'ended') {
      this.#fail({ kind: 'ended' });
    }
  }

  #onFirstFrame(): void {
    if (this.#mode === 'rewound') this.#beginWhereAsked();
    this.#metrics.stallEnds(this.#now);
    if (this.#source !== undefined) this.#enter({ name: 'playing', protocol: this.#source.protocol });
    this.#correct();
    this.#report();
  }

  /** hls.js starts at the live edge, not where it was told, once a request fails before its first picture. */
  #beginWhereAsked(): void {
    const { positionS, seekable } = this.#options.screen;
    if (seekable === null) return;
    const toS = Math.max(seekable.startS, this.#rewindTo + (this.#rewindTo < 0 ? seekable.endS : 0));
    if (Math.abs(positionS - toS) > START_TOLERANCE_S) this.#options.screen.seek(toS);
  }

  #onStall(source: Source): void {
    this.#metrics.stallBegins(this.#now);
    this.#target.stalled(this.#now);
    this.#enter({ name: 'stalled', protocol: source.protocol, sinceMs: this.#now });
    if (this.#mode === 'live' && this.#chooser.stalled(this.#now) !== undefined) this.#reopen();
  }

  #onPause(): void {
    if (this.#state.name !== 'playing' && this.#state.name !== 'stalled') return;
    this.#metrics.stallEnds(this.#now);
    this.#enter({ name: 'paused' });
    if (this.#mode === 'rewound') return;
    this.#cancelPause = this.#options.clock.after(PAUSE_KEEP_MS, () => this.#drop());
  }

  #onResume(source: Source): void {
    this.#cancelPause();
    if (this.#state.name !== 'paused') return;
    // Live means now, not where it was left.
    if (this.#mode === 'live') source.corrected = false;
    this.#enter({ name: 'playing', protocol: source.protocol });
  }

  #tickLater(): void {
    this.#cancelTick = this.#options.clock.after(TICK_MS, () => {
      this.#tick();
      if (this.#source !== undefined) this.#tickLater();
    });
  }

  #tick(): void {
    const source = this.#source;
    if (source === undefined) return;
    const nowMs = this.#now;
    const { state } = this;
    if (state.name === 'opening' && nowMs - source.openedAtMs > FIRST_FRAME_LIMIT_MS) {
      this.#fail({ kind: 'timeout' });
    } else if (state.name === 'stalled' && nowMs - state.sinceMs > STALL_LIMIT_MS) {
      this.#fail({ kind: 'timeout' });
    } else {
      if (source.playingAtMs !== null && nowMs - source.playingAtMs > STEADY_MS) this.#chooser.steady();
      this.#correct();
      this.#report();
    }
  }

  /** Keeps to the live edge, for drivers that do not do so themselves. */
  #correct(): void {
    const source = this.#source;
    if (source === undefined || source.driver.paced || this.#mode === 'rewound') return;
    if (this.#state.name !== 'playing' && this.#state.name !== 'stalled') return;
    const { screen } = this.#options;
    const { positionS, ranges, rate } = screen;
    const view = {
      positionS,
      ranges,
      rate,
      waiting: this.#state.name === 'stalled',
      first: !source.corrected,
    };
    source.corrected = true;
    const leftS = Math.max(0, (ranges.at(-1)?.endS ?? 0) - positionS);
    const move = steer(view, this.#target.at(this.#now, leftS));
    if (move.kind === 'jump') screen.seek(move.toS);
    else if (move.rate !== screen.rate) screen.rate = move.rate;
  }

  #report(): void {
    const source = this.#source;
    const edge = this.#options.screen.ranges.at(-1);
    const bufferedMs =
      edge === undefined
        ? null
        : Math.max(0, Math.round((edge.endS - this.#options.screen.positionS) * 1_000));
    this.#options.events.stats({
      ...this.#metrics.at(this.#now),
      latencyMs: source?.driver.latencyMs() ?? bufferedMs,
      protocol: source?.protocol ?? null,
      server: source?.driver.server() ?? null,
      height: this.#options.screen.height,
    });
  }

  #setMode(mode: PlayerMode): void {
    if (this.#mode === mode) return;
    this.#mode = mode;
    this.#options.events.mode(mode);
  }

  #enter(state: PlayerState): void {
    if (this.#state.name === state.name && state.name === 'playing') return;
    this.#state = state;
    this.#options.events.state(state);
  }
}
