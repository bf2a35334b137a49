// Where a class is sent on to and where its picture is taken from, as the owner sees and changes it.
import { codeOf, type ErrorCode, LecternError } from '#shared/contract/errors.ts';
import {
  PullUrl,
  PushUrl,
  type RelayInfo,
  type RelaysInfo,
  type RelaysWanted,
} from '#shared/contract/relay.ts';
import type { Api } from '../engine/api.ts';
import type { PlayerClock } from '../engine/player/ports.ts';

export type { RelayInfo };

/** How often it is asked how they are, in ms. */
const LOOK_EVERY_MS = 2_000;

export type RelaysState =
  { name: 'loading' } | { name: 'ready'; relays: RelaysInfo } | { name: 'failed'; code: ErrorCode };

/** Why an address was not taken: it is none, or the server’s own words. */
export type AddProblem = { kind: 'address' } | { kind: 'refused'; code: ErrorCode; message: string };

/** The address of a server and what it calls the stream key, as one. */
export function pushAddress(server: string, key: string): string {
  const bare = key.trim();
  return bare === '' ? server.trim() : `${server.trim().replace(/\/+$/, '')}/${bare}`;
}

/** Looks again and again until it is closed. */
export class RelaysStore {
  readonly #api: Api;
  readonly #clock: PlayerClock;
  readonly #lesson: string;
  #state = $state.raw<RelaysState>({ name: 'loading' });
  #cancel: (() => void) | undefined;
  /** Counts the changes: what was asked before one tells nothing of it. */
  #changes = 0;
  #closed = false;

  constructor(api: Api, clock: PlayerClock, lesson: string) {
    this.#api = api;
    this.#clock = clock;
    this.#lesson = lesson;
  }

  get state(): RelaysState {
    return this.#state;
  }

  /** Begins to look. */
  open(): void {
    void this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  /** Sends the class on to one more server. Resolves with what is wrong, or undefined. */
  addPush(server: string, key: string): Promise<AddProblem | undefined> {
    const parsed = PushUrl.safeParse(pushAddress(server, key));
    if (!parsed.success) return Promise.resolve({ kind: 'address' });
    return this.#change(({ push, pull }) => ({ push: [...push, { url: parsed.data }], pull }));
  }

  /** Takes the picture from there, instead of from where it came before. */
  setPull(url: string): Promise<AddProblem | undefined> {
    const parsed = PullUrl.safeParse(url);
    if (!parsed.success) return Promise.resolve({ kind: 'address' });
    return this.#change(({ push }) => ({ push, pull: { url: parsed.data } }));
  }

  remove(id: string): Promise<AddProblem | undefined> {
    return this.#change(({ push, pull }) => ({
      push: push.filter((one) => !('id' in one) || one.id !== id),
      pull: pull !== null && 'id' in pull && pull.id === id ? null : pull,
    }));
  }

  async #change(next: (now: RelaysWanted) => RelaysWanted): Promise<AddProblem | undefined> {
    this.#changes += 1;
    try {
      // Another page may have changed them since.
      const { push, pull } = await this.#api.relays(this.#lesson);
      const now = { push: push.map(({ id }) => ({ id })), pull: pull && { id: pull.id } };
      const relays = await this.#api.setRelays(this.#lesson, next(now));
      this.#state = { name: 'ready', relays };
      return undefined;
    } catch (error) {
      const message = error instanceof LecternError ? error.message : '';
      return { kind: 'refused', code: codeOf(error), message };
    } finally {
      this.#changes += 1;
    }
  }

  async #look(): Promise<void> {
    const changes = this.#changes;
    try {
      const relays = await this.#api.relays(this.#lesson);
      if (changes === this.#changes) this.#state = { name: 'ready', relays };
    } catch (error) {
      if (this.#state.name !== 'ready') this.#state = { name: 'failed', code: codeOf(error) };
    }
    if (!this.#closed) this.#cancel = this.#clock.after(LOOK_EVERY_MS, () => void this.#look());
  }
}
