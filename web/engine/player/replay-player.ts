// Plays a recording: one source as a whole, opened again where it was when the network failed.
import { Chooser } from './chooser.ts';
import type {
  PlayerClock,
  Driver,
  DriverKind,
  Failure,
  LevelChoice,
  Mark,
  Screen,
  ScreenEvent,
} from './ports.ts';

/** A source without a picture after this is given up, in ms. */
const FIRST_FRAME_LIMIT_MS = 15_000;
/** Playing for this long counts as having worked, in ms. */
const STEADY_MS = 5_000;

export type ReplayState =
  | { readonly name: 'opening' }
  | { readonly name: 'playing' }
  | { readonly name: 'waiting' }
  | { readonly name: 'paused' }
  | { readonly name: 'ended' }
  | { readonly name: 'retrying'; readonly failure: Failure };

export interface ReplayPlayerOptions {
  readonly screen: Screen;
  /** In order of preference; those that cannot seek must be left out. */
  readonly drivers: readonly DriverKind[];
  readonly clock: PlayerClock;
  readonly random: () => number;
  /** Where to begin, in s. */
  readonly fromS: number;
  /** The freshest signed address. */
  readonly address: () => string;
  readonly events: {
    state(state: ReplayState): void;
    levels(choice: LevelChoice): void;
    marks(marks: readonly Mark[]): void;
    autoplay(outcome: 'playing' | 'muted' | 'blocked'): void;
  };
}

export class ReplayPlayer {
  readonly #options: ReplayPlayerOptions;
  readonly #chooser: Chooser;
  readonly #stopListening: () => void;
  #driver: Driver | undefined;
  #shown = false;
  #resumeAtS: number;
  #cancelTimer: () => void = () => undefined;

  constructor(options: ReplayPlayerOptions) {
    this.#options = options;
    this.#resumeAtS = options.fromS;
    const supported = options.drivers.filter((kind) => kind.supported());
    this.#chooser = new Chooser(
      supported.map((kind) => kind.protocol),
      'auto',
      options.random,
    );
    this.#stopListening = options.screen.listen((event) => {
      if (event === 'frame') this.#onFrame();
      else if (this.#shown) this.#onScreen(event);
    });
    this.#open();
  }

  chooseLevel(index: number | null): void {
    this.#driver?.chooseLevel(index);
  }

  /** Where to begin, in s, instead; too late once anything was shown. */
  beginAt(atS: number): void {
    if (!this.#shown) this.#resumeAtS = atS;
  }

  close(): void {
    this.#stopListening();
    this.#drop();
  }

  #open(): void {
    const kind = this.#options.drivers.find(({ protocol }) => protocol === this.#chooser.protocol);
    if (kind === undefined) return;
    const { address, events, clock, screen } = this.#options;
    events.state({ name: 'opening' });
    let driver: Driver | undefined = undefined as Driver | undefined;
    const mine = () => driver !== undefined && driver === this.#driver;
    driver = kind.open(
      { mode: 'seekable', atS: this.#resumeAtS, address, alternatives: () => [] },
      {
        failed: (failure) => mine() && this.#fail(failure),
        levels: (choice) => mine() && events.levels(choice),
        marks: (marks) => mine() && events.marks(marks),
      },
    );
    this.#driver = driver;
    this.#cancelTimer = clock.after(FIRST_FRAME_LIMIT_MS, () => this.#fail({ kind: 'timeout' }));
    void screen.play().then((outcome) => mine() && events.autoplay(outcome));
  }

  #drop(): void {
    this.#cancelTimer();
    this.#driver?.close();
    this.#driver = undefined;
    this.#shown = false;
  }

  #fail(failure: Failure): void {
    if (this.#shown) this.#resumeAtS = this.#options.screen.positionS;
    this.#drop();
    const { delayMs } = this.#chooser.failed(failure);
    this.#options.events.state({ name: 'retrying', failure });
    this.#cancelTimer = this.#options.clock.after(delayMs, () => this.#open());
  }

  #onFrame(): void {
    if (this.#shown) return;
    this.#shown = true;
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(STEADY_MS, () => this.#chooser.steady());
    this.#options.events.state({ name: this.#options.screen.paused ? 'paused' : 'playing' });
  }

  #onScreen(event: Exclude<ScreenEvent, 'frame'>): void {
    const { screen, events } = this.#options;
    if (event === 'resumed') events.state({ name: 'playing' });
    else if (event !== 'waiting' && event !== 'seeking') events.state({ name: event });
    else if (!screen.paused) events.state({ name: 'waiting' });
  }
}
