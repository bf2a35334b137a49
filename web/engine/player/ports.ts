// What a player needs of the browser. `platform/players` implements these; a test does with a few lines.

/**
 * `flv`: FLV over HTTP or a WebSocket, through Media Source. `ll-hls` and `hls`: low-latency and plain HLS through Media Source.
 * `native`: the browser's own HLS.
 */
export type Protocol = 'flv' | 'll-hls' | 'hls' | 'native';

/** A stretch of media, in seconds of the element's clock. */
export interface Range {
  readonly startS: number;
  readonly endS: number;
}

/**
 * `frame`: a source showed its first picture. `waiting`: nothing is left to play. `seeking`: nothing is
 * there yet at the place that was gone to. `playing`: it goes on. `paused` and `resumed` are the person's (or the system's) doing. `ended`: the source is at its end.
 */
export type ScreenEvent = 'frame' | 'waiting' | 'seeking' | 'playing' | 'paused' | 'resumed' | 'ended';

/** The element that shows the picture. */
export interface Screen {
  readonly positionS: number;
  readonly paused: boolean;
  /** Lines of the picture; 0 while there is none. */
  readonly height: number;
  /** What is there to play, in order. */
  readonly ranges: readonly Range[];
  /** Where one may go to; null while nothing is loaded. */
  readonly seekable: Range | null;
  rate: number;
  seek(toS: number): void;
  /** Plays with sound, else without; `blocked` if the browser wants a press first. */
  play(): Promise<'playing' | 'muted' | 'blocked'>;
  /** Returns the function that ends it. */
  listen(listener: (event: ScreenEvent) => void): () => void;
}

export interface PlayerClock {
  nowMs(): number;
  /** Calls back once after `delayMs`. Returns the function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/**
 * Why a source gave up. `refused`: the server answered with a status of 400 or above. `media`: it came
 * but cannot be played. `ended`: it came to its end in order, which for a live one may be a restart.
 */
export type Failure =
  | { readonly kind: 'network' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'media' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'ended' };

/** One quality of a source. */
export interface Level {
  readonly index: number;
  /** Lines of the picture; 0 if unknown. */
  readonly height: number;
  /** In bits per second; 0 if unknown. */
  readonly bitrate: number;
}

export interface LevelChoice {
  readonly levels: readonly Level[];
  /** What plays now; null until known. */
  readonly current: number | null;
  /** What the person chose; null is automatic. */
  readonly chosen: number | null;
}

/** A point where the media's clock meets the wall's: from there on both run alike. */
export interface Mark {
  readonly startS: number;
  readonly endS: number;
  readonly wallMs: number;
}

export interface DriverEvents {
  /** It gave up; it only waits to be closed. */
  failed(failure: Failure): void;
  levels(choice: LevelChoice): void;
  /** The wall-clock marks of all that is there to be played of a `seekable` source. */
  marks(marks: readonly Mark[]): void;
}

export interface DriverStart {
  /** `live`: at the live edge and staying there. `seekable`: as a whole, from `atS` (-1 is its end). */
  readonly mode: 'live' | 'seekable';
  readonly atS: number;
  /** The freshest signed address; asked again for every request, since signatures expire. */
  readonly address: () => string;
  /** The same on other servers, which may be asked at once; none for most sources. */
  readonly alternatives: () => readonly string[];
}

/** Feeds one source to the screen. */
export interface Driver {
  /** True if it keeps to the live edge by itself. */
  readonly paced: boolean;
  /** How far behind the camera the screen is, in ms, as far as the source tells; null if it does not. */
  latencyMs(): number | null;
  /** The server that the media comes from, as `host:port`, and how, if in no usual way; null until it is known. */
  server(): string | null;
  /** Takes a quality; null lets it choose. */
  chooseLevel(index: number | null): void;
  close(): void;
}

/** A way to feed the screen. */
export interface DriverKind {
  readonly protocol: Protocol;
  supported(): boolean;
  /** Fetches its code ahead of need. */
  preload(): void;
  open(start: DriverStart, events: DriverEvents): Driver;
}

/** Loads pictures. */
export interface PicturePort {
  /**
   * Resolves with an address that an image takes, or with null if there is no picture at this one. Rejects where it
   * cannot be had at present.
   */
  load(address: string): Promise<string | null>;
  /** What `load` gave is not shown any more. */
  release(picture: string): void;
}
