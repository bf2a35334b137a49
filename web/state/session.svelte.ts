// Who sits at this browser: the owner of this Lectern, or someone who has only a link.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { Api } from '../engine/api.ts';

export { codeOf, type ErrorCode };

export type SessionState =
  { name: 'loading' } | { name: 'owner' } | { name: 'anonymous' } | { name: 'failed'; code: ErrorCode };

export class SessionStore {
  #api: Api;
  #forgetTab: () => void;
  #state = $state.raw<SessionState>({ name: 'loading' });

  /** `forgetTab` makes this tab forget the classes it was in: who comes after the owner is not their teacher. */
  constructor(api: Api, forgetTab: () => void) {
    this.#api = api;
    this.#forgetTab = forgetTab;
    // Signed out in another tab, or everywhere.
    api.onUnauthorized = () => {
      if (this.#state.name === 'owner') this.#ended();
    };
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

  /** Ends the sign-in of this browser. Rejects with a LecternError. */
  async signOut(): Promise<void> {
    await this.#api.signOut();
    this.#ended();
  }

  /** Ends every sign-in, and resolves with how many there were. Rejects with a LecternError. */
  async signOutEverywhere(): Promise<number> {
    const { ended } = await this.#api.signOutEverywhere();
    this.#ended();
    return ended;
  }

  #ended(): void {
    this.#state = { name: 'anonymous' };
    this.#forgetTab();
  }
}
