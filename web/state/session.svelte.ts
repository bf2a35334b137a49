// Who sits at this browser: the owner of this Lectern, or someone who has only a link.
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { Api } from '../engine/api.ts';

export type { ErrorCode };

export type SessionState =
  { name: 'loading' } | { name: 'owner' } | { name: 'anonymous' } | { name: 'failed'; code: ErrorCode };

export class SessionStore {
  #api: Api;
  #state = $state.raw<SessionState>({ name: 'loading' });

  constructor(api: Api) {
    this.#api = api;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Asks the server who we are. */
  async load(): Promise<void> {
    this.#state = { name: 'loading' };
    try {
      const { role } = await this.#api.session();
      this.#state = { name: role };
    } catch (error) {
      this.#state = { name: 'failed', code: codeOf(error) };
    }
  }

  /** Signs in with the owner link's key. Returns whether it worked; `state` says why not. */
  async signIn(key: string): Promise<boolean> {
    this.#state = { name: 'loading' };
    try {
      const { role } = await this.#api.signIn(key);
      this.#state = { name: role };
      return role === 'owner';
    } catch (error) {
      this.#state = { name: 'failed', code: codeOf(error) };
      return false;
    }
  }
}

/** The code of a refusal; `internal-error` for anything else that was thrown. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof LecternError ? error.code : 'internal-error';
}

const PASSING: readonly ErrorCode[] = ['service-unavailable', 'rate-limited', 'internal-error'];

/** True for refusals that pass by themselves: asking again may help. */
export function passes(code: ErrorCode): boolean {
  return PASSING.includes(code);
}
