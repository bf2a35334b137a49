// Connections that stay open for as long as a class lasts: each is asked again when the rules of its channel
// change and when its signature runs out, and closed within a second if it may not go on.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { AccessRequest, Decide, Verdict } from './decide.ts';

/** How often it is looked whose time is over, in ms. */
const LOOK_EVERY_MS = 250;
/** A question that has no answer by then is answered: no. */
const ASK_LIMIT_MS = 900;

export interface HoldOptions {
  /** The end of the signature does not end it: a download that has begun is carried through. */
  readonly outlivesSignature?: boolean;
}

/** One connection, from before its verdict to its end. */
export interface Held {
  /** Never rejects. Once it refuses nothing more has to be done: the connection is not held any more. */
  readonly verdict: Promise<Verdict>;
  /** The connection is gone. */
  leave(): void;
}

interface Connection {
  readonly request: AccessRequest;
  readonly channel: string;
  readonly options: HoldOptions;
  readonly close: (code: ErrorCode) => void;
  /** The second since 1970 at which it is asked again; undefined if it never is. */
  dueS: number | undefined;
  /** Counts questions: of several under way the last one counts. */
  asked: number;
}

export class OpenConnections {
  readonly #decide: Decide;
  readonly #channelOf: (request: AccessRequest) => string;
  readonly #nowMs: () => number;
  readonly #byChannel = new Map<string, Set<Connection>>();
  readonly #byDue = new Map<number, Set<Connection>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    decide: Decide,
    channelOf: (request: AccessRequest) => string = ({ resource }) => resource,
    nowMs: () => number = Date.now,
  ) {
    this.#decide = decide;
    this.#channelOf = channelOf;
    this.#nowMs = nowMs;
  }

  /** How many are held. */
  get size(): number {
    let size = 0;
    for (const connections of this.#byChannel.values()) size += connections.size;
    return size;
  }

  /**
   * Asks for the verdict on `request` and holds the connection from then on, so that no change between
   * the two is missed. `close` is called, once and with the reason, if it may not go on.
   */
  hold(request: AccessRequest, close: (code: ErrorCode) => void, options: HoldOptions = {}): Held {
    const channel = this.#channelOf(request);
    const connection: Connection = { request, channel, options, close, dueS: undefined, asked: 0 };
    add(this.#byChannel, channel, connection);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    const verdict = this.#ask(connection, request).then((given) => {
      if (!given.allow) this.#drop(connection);
      return given;
    });
    return { verdict, leave: () => this.#drop(connection) };
  }

  /** The settings of `channel` changed, or those of all. */
  changed(channel: string | undefined): void {
    const connections =
      channel === undefined
        ? [...this.#byChannel.values()].flatMap((all) => [...all])
        : [...(this.#byChannel.get(channel) ?? [])];
    for (const connection of connections) void this.#askAgain(connection);
  }

  /** Stops asking; the connections are others' to close. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#byChannel.clear();
    this.#byDue.clear();
  }

  #look(): void {
    const nowS = this.#nowMs() / 1_000;
    for (const [dueS, connections] of this.#byDue) {
      // A signature is good until its second is over.
      if (dueS >= nowS) continue;
      this.#byDue.delete(dueS);
      for (const connection of connections) {
        connection.dueS = undefined;
        void this.#askAgain(connection);
      }
    }
  }

  async #askAgain(connection: Connection): Promise<void> {
    const { request, options, close } = connection;
    const nowMs = options.outlivesSignature === true ? request.nowMs : this.#nowMs();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Verdict>((resolve) => {
      timer = setTimeout(() => resolve({ allow: false, code: 'service-unavailable' }), ASK_LIMIT_MS);
    });
    const asking = this.#ask(connection, { ...request, nowMs });
    const asked = connection.asked;
    const verdict = await Promise.race([asking, late]);
    clearTimeout(timer);
    // Another question was put after this one, or the connection is gone.
    if (asked !== connection.asked || !this.#isHeld(connection)) return;
    if (verdict.allow) return;
    this.#drop(connection);
    close(verdict.code);
  }

  async #ask(connection: Connection, request: AccessRequest): Promise<Verdict> {
    connection.asked += 1;
    const { asked } = connection;
    const verdict = await this.#decide(request);
    if (verdict.allow && asked === connection.asked && this.#isHeld(connection)) {
      this.#due(connection, verdict.untilMs);
    }
    return verdict;
  }

  #due(connection: Connection, untilMs: number | undefined): void {
    this.#forgetDue(connection);
    if (untilMs === undefined || connection.options.outlivesSignature === true) return;
    connection.dueS = Math.ceil(untilMs / 1_000);
    add(this.#byDue, connection.dueS, connection);
  }

  #isHeld(connection: Connection): boolean {
    return this.#byChannel.get(connection.channel)?.has(connection) === true;
  }

  #drop(connection: Connection): void {
    remove(this.#byChannel, connection.channel, connection);
    this.#forgetDue(connection);
    if (this.#byChannel.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forgetDue(connection: Connection): void {
    if (connection.dueS !== undefined) remove(this.#byDue, connection.dueS, connection);
    connection.dueS = undefined;
  }
}

function add<Key>(groups: Map<Key, Set<Connection>>, key: Key, connection: Connection): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, new Set([connection]));
  else group.add(connection);
}

function remove<Key>(groups: Map<Key, Set<Connection>>, key: Key, connection: Connection): void {
  const group = groups.get(key);
  if (group?.delete(connection) === true && group.size === 0) groups.delete(key);
}
