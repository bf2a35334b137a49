// One stream from several servers: all are asked at once and the first that brings media is kept. One that
// breaks off or falls silent is replaced by the first of the others, while the store still plays. A network
// that keeps back what never ends is met with WebSockets to the same addresses.
import { FlvTagReader } from './flv-tags.ts';
import type { PlayerClock, Failure } from './ports.ts';
import { StreamSplice, SplicedSource } from './stream-splice.ts';

/** So many are asked at once, at most: each sends a group of pictures before it is let go. */
const MAX_AT_ONCE = 4;
/** Nothing came over HTTP for this long, in ms: a proxy may be waiting for the end of it. */
const SOCKETS_AFTER_MS = 700;
/** The reserve is asked when nobody else has brought anything for this long, in ms. */
const RESERVE_AFTER_MS = 1_000;
/** The same once the stream runs, when what is left to play is a fraction of a second. */
const RESERVE_SOON_MS = 200;
/** Media comes thirty times a second: silence that is longer than this is suspicious, in ms. */
const SILENCE_MS = 300;
/** After a false alarm the next takes twice as long, up to this, in ms. */
const SILENCE_MAX_MS = 10_000;
/** Without an alarm for this long the suspicion is as at first, in ms. */
const CALM_MS = 30_000;
/** Challengers that bring nothing new for this long are let go: then it is the class that is silent, in ms. */
const CHALLENGE_MS = 4_000;
/** A server that failed is not asked again while there are others, for this long, in ms. */
const BLAME_MS = 30_000;

export interface RaceEvents {
  /** More of the stream: it begins with an FLV header, and its timestamps never go back. */
  bytes(chunk: Uint8Array<ArrayBuffer>): void;
  /** The server that the stream comes from now. */
  from(address: string): void;
  /** Nobody is left. */
  failed(failure: Failure): void;
}

export interface ConnectionEvents {
  bytes(chunk: Uint8Array): void;
  /** `ended` is the orderly end. */
  failed(failure: Failure): void;
}

export interface RaceOptions {
  readonly clock: PlayerClock;
  /** The freshest addresses, equally good; of HTTP. Each serves the same over a WebSocket. */
  readonly addresses: () => readonly string[];
  /** Asked only if the others bring nothing; of HTTP as well. */
  readonly reserve: () => string;
  /** Connects over what the address names, `http` or `ws`; returns the function that ends it. Must not call back before it returns. */
  readonly connect: (address: string, events: ConnectionEvents) => () => void;
  readonly events: RaceEvents;
}

interface Contender {
  readonly address: string;
  readonly reader: FlvTagReader;
  readonly source: SplicedSource;
  close: () => void;
}

/** Addresses are the same server if they differ in their signature only. */
const serverOf = (address: string): string => address.split('?', 1)[0] ?? address;

/** How the stream travels. */
type Carrier = 'http' | 'ws';
const carrierOf = (address: string): Carrier => (address.startsWith('ws') ? 'ws' : 'http');
/** The same place by that carrier, as safe as before: `https` and `wss` belong together. */
const over = (carrier: Carrier, address: string): string => address.replace(/^(http|ws)/, carrier);

export class SourceRace {
  readonly #options: RaceOptions;
  readonly #splice = new StreamSplice();
  readonly #contenders = new Set<Contender>();
  readonly #blamedAtMs = new Map<string, number>();
  #winner: Contender | undefined;
  #silenceMs = SILENCE_MS;
  #alarmAtMs = Number.NEGATIVE_INFINITY;
  /** Why the one that played broke off: that says more than why the others would not do instead. */
  #lostBy: Failure | undefined;
  #reserveAsked = false;
  /** What the network is known to carry; HTTP until it is. */
  #carrier: Carrier = 'http';
  #socketsAsked = false;
  #closed = false;
  #cancelSockets: () => void = () => undefined;
  #cancelReserve: () => void = () => undefined;
  #cancelSilence: () => void = () => undefined;
  #cancelChallenge: () => void = () => undefined;

  constructor(options: RaceOptions) {
    this.#options = options;
    this.#ask(this.#candidates());
    this.#cancelSockets = options.clock.after(SOCKETS_AFTER_MS, () => this.#askSockets());
    this.#reserveLater();
    if (this.#contenders.size === 0) this.#askReserve();
  }

  close(): void {
    this.#closed = true;
    this.#cancelSockets();
    this.#cancelReserve();
    this.#cancelSilence();
    this.#cancelChallenge();
    for (const contender of this.#contenders) contender.close();
    this.#contenders.clear();
    this.#winner = undefined;
  }

  get #now(): number {
    return this.#options.clock.nowMs();
  }

  #candidates(): string[] {
    return this.#free(this.#options.addresses().map((address) => over(this.#carrier, address)));
  }

  /** Who of them may be asked now: the good ones, each server once. */
  #free(addresses: readonly string[]): string[] {
    const busy = new Set([...this.#contenders].map(({ address }) => serverOf(address)));
    const byServer = new Map(addresses.map((address) => [serverOf(address), address]));
    return [...byServer]
      .filter(([server]) => !busy.has(server) && !this.#blamed(server))
      .map(([, address]) => address)
      .slice(0, MAX_AT_ONCE);
  }

  #blamed(server: string): boolean {
    const atMs = this.#blamedAtMs.get(server);
    return atMs !== undefined && this.#now - atMs < BLAME_MS;
  }

  #ask(addresses: readonly string[]): void {
    for (const address of addresses) {
      const contender: Contender = {
        address,
        reader: new FlvTagReader(),
        source: new SplicedSource(this.#splice),
        close: () => undefined,
      };
      this.#contenders.add(contender);
      contender.close = this.#options.connect(address, {
        bytes: (chunk) => this.#contenders.has(contender) && this.#onBytes(contender, chunk),
        failed: (failure) => this.#contenders.has(contender) && this.#onFailure(contender, failure),
      });
    }
  }

  #reserveLater(): void {
    this.#cancelReserve();
    this.#reserveAsked = false;
    const delayMs = this.#splice.begun ? RESERVE_SOON_MS : RESERVE_AFTER_MS;
    this.#cancelReserve = this.#options.clock.after(delayMs, () => this.#askReserve());
  }

  /** Nothing came yet: everyone who was asked is asked over a WebSocket as well. */
  #askSockets(): void {
    this.#socketsAsked = true;
    const asked = [...this.#options.addresses(), ...(this.#reserveAsked ? [this.#options.reserve()] : [])];
    this.#ask(this.#free(asked.map((address) => over('ws', address))));
  }

  /** Returns false if it was asked before, or may not be. */
  #askReserve(): boolean {
    this.#cancelReserve();
    const reserve = this.#free([over(this.#carrier, this.#options.reserve())]);
    if (this.#closed || this.#reserveAsked || reserve.length === 0) return false;
    this.#reserveAsked = true;
    this.#ask(reserve);
    if (this.#socketsAsked && !this.#splice.begun) this.#askSockets();
    return true;
  }

  #onBytes(contender: Contender, chunk: Uint8Array): void {
    let news: Uint8Array<ArrayBuffer>[];
    try {
      news = contender.source.append(contender.reader.readBytes(chunk), this.#now);
    } catch {
      this.#onFailure(contender, { kind: 'media' });
      return;
    }
    if (news.length === 0) {
      // A tag that takes long to arrive is no silence.
      if (contender === this.#winner && this.#contenders.size === 1) this.#listenForSilence();
      return;
    }
    if (contender !== this.#winner) this.#win(contender);
    else if (this.#contenders.size > 1) this.#falseAlarm();
    this.#listenForSilence();
    this.#options.events.bytes(joined(news));
  }

  #win(winner: Contender): void {
    // Who lost the lead by its silence is not asked again for a while.
    if (this.#winner !== undefined) this.#blame(this.#winner);
    this.#winner = winner;
    this.#lostBy = undefined;
    this.#carrier = carrierOf(winner.address);
    this.#letOthersGo();
    this.#options.events.from(winner.address);
  }

  #letOthersGo(): void {
    this.#cancelSockets();
    this.#cancelReserve();
    this.#cancelChallenge();
    for (const contender of this.#contenders) {
      if (contender === this.#winner) continue;
      this.#contenders.delete(contender);
      contender.close();
    }
  }

  #blame({ address }: Contender): void {
    this.#blamedAtMs.set(serverOf(address), this.#now);
  }

  #falseAlarm(): void {
    this.#silenceMs = Math.min(SILENCE_MAX_MS, this.#silenceMs * 2);
    this.#letOthersGo();
  }

  #listenForSilence(): void {
    if (this.#now - this.#alarmAtMs > CALM_MS) this.#silenceMs = SILENCE_MS;
    this.#cancelSilence();
    this.#cancelSilence = this.#options.clock.after(this.#silenceMs, () => this.#challenge());
  }

  /** The winner is silent: the others are asked, and it may still come back. */
  #challenge(): void {
    this.#alarmAtMs = this.#now;
    this.#ask(this.#candidates());
    this.#reserveLater();
    if (this.#contenders.size < 2) this.#askReserve();
    if (this.#contenders.size < 2) return;
    this.#cancelChallenge = this.#options.clock.after(CHALLENGE_MS, () => {
      this.#falseAlarm();
      this.#listenForSilence();
    });
  }

  #onFailure(contender: Contender, failure: Failure): void {
    this.#contenders.delete(contender);
    contender.close();
    this.#blame(contender);
    if (contender === this.#winner) {
      this.#lostBy = failure;
      this.#winner = undefined;
      this.#cancelSilence();
      this.#cancelChallenge();
      this.#ask(this.#candidates());
      this.#reserveLater();
    }
    if (this.#contenders.size > 0) return;
    if (this.#askReserve()) return;
    this.close();
    this.#options.events.failed(this.#lostBy ?? failure);
  }
}

function joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const whole = new Uint8Array(parts.reduce((bytes, { length }) => bytes + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
