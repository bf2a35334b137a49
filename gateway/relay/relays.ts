// All relays of this gateway, by channel. What is wanted is kept in its data, so that a restart goes on.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Gauge, type Registry } from 'prom-client';
import { z } from 'zod';
import { LecternError } from '#shared/contract/errors.ts';
import { ChannelId, LessonId, LessonTitle, makeId } from '#shared/contract/ids.ts';
import { PullUrl, PushUrl, RelayId, RelayState } from '#shared/contract/relay.ts';
import type { RelaysInfo, RelaysPut } from '#shared/contract/relay.ts';
import { writeAtomicallySync } from '#server/atomic-file.ts';
import type { Log } from '#server/log.ts';
import { createResolve, PrivateAddressError } from '#server/outgoing.ts';
import type { RelaySource, OpenIngress } from './ports.ts';
import { openProxy, type Proxy } from './proxy.ts';
import { createPull } from './pull.ts';
import { createPush } from './push.ts';
import { Relay, type EndReason } from './relay.ts';
import type { Outside, Trust } from './way.ts';

/** What is on disk of a channel. */
const Kept = z.object({
  lesson: LessonId,
  title: LessonTitle,
  push: z.array(z.object({ id: RelayId, url: PushUrl })),
  pull: z.object({ id: RelayId, url: PullUrl }).nullable(),
});
type Kept = z.infer<typeof Kept>;

export interface RelaysOptions {
  /** Where they are kept. */
  readonly dir: string;
  readonly onAir: RelaySource;
  readonly open: OpenIngress;
  readonly ffmpeg: string;
  /** Whether addresses inside this network may be used. */
  readonly allowPrivate: boolean;
  /** Whom certificates are believed from, in PEM; asked when one is to be checked. */
  readonly authorities: () => readonly string[];
  readonly metrics: Registry;
  readonly log: Log;
}

interface Channel {
  kept: Kept;
  push: Relay[];
  pull: Relay | undefined;
}

const NONE: RelaysInfo = { push: [], pull: null };

/** Owns every relay, and the proxy that they go out through. */
export class Relays {
  readonly #options: RelaysOptions;
  readonly #outside: Outside;
  readonly #proxy: Proxy;
  readonly #channels = new Map<string, Channel>();
  /** Those that were taken away and whose children are not gone yet. */
  readonly #leaving = new Set<Promise<void>>();
  #closed = false;

  private constructor(options: RelaysOptions, outside: Outside, proxy: Proxy) {
    this.#options = options;
    this.#outside = outside;
    this.#proxy = proxy;
  }

  /** Goes on with all that is kept. */
  static async open(options: RelaysOptions): Promise<Relays> {
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
    const resolve = createResolve(options.allowPrivate);
    const proxy = await openProxy(resolve);
    let trust: Trust | undefined;
    const outside: Outside = {
      ffmpeg: options.ffmpeg,
      proxy: proxy.url,
      resolve,
      // Megabytes, for who needs them.
      trust: () => (trust ??= readTrust(options)),
    };
    const relays = new Relays(options, outside, proxy);
    relays.#watch();
    for (const name of readdirSync(options.dir)) relays.#load(name);
    return relays;
  }

  /** What became of those of a channel. */
  get(channel: string): RelaysInfo {
    const found = this.#channels.get(channel);
    if (found === undefined) return NONE;
    return { push: found.push.map(({ info }) => info), pull: found.pull?.info ?? null };
  }

  /**
   * Makes the relays of a channel what is wanted; those that stay go on undisturbed. Rejects with
   * LecternError: `conflict` for an id that is not there, `bad-request` for an address that may not be used.
   */
  async put(channel: string, { lesson, title, wanted }: RelaysPut): Promise<RelaysInfo> {
    for (const one of [...wanted.push, wanted.pull])
      if (one !== null && 'url' in one) await this.#admit(one.url);
    if (this.#closed) throw new LecternError('service-unavailable');
    const before = this.#channels.get(channel)?.kept;
    const push = wanted.push.map((one) => settle(one, before?.push ?? []));
    const pull = wanted.pull && settle(wanted.pull, before?.pull ? [before.pull] : []);
    if (new Set(push.map(({ url }) => url)).size < push.length) {
      throw new LecternError('bad-request', 'push: the same address is there twice');
    }
    const kept = { lesson, title, push, pull };
    this.#write(channel, kept);
    this.#apply(channel, kept);
    return this.get(channel);
  }

  /** Ends those of a channel forever. */
  forget(channel: string): void {
    const found = this.#channels.get(channel);
    if (found === undefined) return;
    rmSync(this.#path(channel), { force: true });
    this.#apply(channel, { ...found.kept, push: [], pull: null });
  }

  /** Ends all; what is wanted stays on disk. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { push, pull } of this.#channels.values())
      for (const relay of [...push, pull]) this.#drop(relay, 'later');
    this.#channels.clear();
    await Promise.all(this.#leaving);
    await this.#proxy.close();
  }

  /** An address that leads inside is refused now, while somebody is there to read it. */
  async #admit(url: string): Promise<void> {
    try {
      await this.#outside.resolve(new URL(url).hostname);
    } catch (error) {
      if (error instanceof PrivateAddressError)
        throw new LecternError(
          'bad-request',
          `${error.message} An operator allows them with LECTERN_RELAY_PRIVATE=1.`,
        );
      // A name that is not found today may be tomorrow.
    }
  }

  #apply(channel: string, kept: Kept): void {
    const before = this.#channels.get(channel);
    const old = before === undefined ? [] : [...before.push, ...(before.pull ? [before.pull] : [])];
    const wanted = new Set([...kept.push, ...(kept.pull ? [kept.pull] : [])].map(({ id }) => id));
    for (const relay of old) if (!wanted.has(relay.id)) this.#drop(relay, 'removed');
    const find = (id: string) => old.find((relay) => relay.id === id);
    const { onAir, open, log } = this.#options;
    const common = { channel, outside: this.#outside };
    const about = log.child({ channel });
    const push = kept.push.map(
      ({ id, url }) =>
        find(id) ?? new Relay({ id, url, run: createPush({ ...common, url, onAir }), log: about }),
    );
    const { lesson, title, pull: source } = kept;
    const pull =
      source === null
        ? undefined
        : (find(source.id) ??
          new Relay({
            ...source,
            run: createPull({
              ...common,
              url: source.url,
              lesson,
              title,
              name: new URL(source.url).hostname.slice(0, 60),
              open,
            }),
            log: about,
          }));
    if (wanted.size === 0) this.#channels.delete(channel);
    else this.#channels.set(channel, { kept, push, pull });
  }

  #drop(relay: Relay | undefined, why: EndReason): void {
    if (relay === undefined) return;
    const leaving: Promise<void> = relay.close(why).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  #path(channel: string): string {
    return join(this.#options.dir, `${channel}.json`);
  }

  #load(name: string): void {
    const channel = name.replace(/\.json$/, '');
    if (!name.endsWith('.json') || !ChannelId.safeParse(channel).success) return;
    try {
      this.#apply(channel, Kept.parse(JSON.parse(readFileSync(this.#path(channel), 'utf8'))));
    } catch {
      // The error itself would quote the file, which has keys in it.
      this.#options.log.error({ channel }, 'the relays of a channel cannot be read; they are left out');
    }
  }

  #write(channel: string, kept: Kept): void {
    const path = this.#path(channel);
    if (kept.push.length === 0 && kept.pull === null) rmSync(path, { force: true });
    else writeAtomicallySync(path, JSON.stringify(kept));
  }

  #watch(): void {
    const count = () => {
      const all = [...this.#channels.values()];
      return {
        push: all.flatMap(({ push }) => push),
        pull: all.flatMap(({ pull }) => pull ?? []),
      };
    };
    new Gauge({
      name: 'lectern_relays',
      help: 'Relays by direction and state.',
      labelNames: ['direction', 'state'],
      registers: [this.#options.metrics],
      collect() {
        for (const [direction, relays] of Object.entries(count())) {
          for (const state of RelayState.options) {
            this.set({ direction, state }, relays.filter((relay) => relay.state === state).length);
          }
        }
      },
    });
  }
}

/** ffmpeg has to be told: not every build of it knows where this system keeps them. */
function readTrust({ dir, authorities }: RelaysOptions): Trust {
  const ca = [...new Set(authorities())];
  const caFile = join(dir, 'authorities.pem');
  writeFileSync(caFile, ca.join('\n'));
  return { caFile, context: createSecureContext({ ca }) };
}

const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);

/** The address that is meant: a new one, or one that was there. Throws LecternError `conflict`. */
function settle(
  one: { id: string } | { url: string },
  before: readonly { id: string; url: string }[],
): { id: string; url: string } {
  if ('url' in one) return { id: makeId(random), url: one.url };
  const found = before.find(({ id }) => id === one.id);
  if (found === undefined) throw new LecternError('conflict');
  return found;
}
