// A tiny router over the history API: an address becomes one of a closed set of routes. What follows
// `#` never reaches a server, so invitations and keys travel there.
import { LessonId, RecordingId } from '#shared/contract/ids.ts';
import type { Invitations } from './invitations.ts';
import { understandLink } from './pasted-links.ts';

export type Route =
  | { name: 'home' }
  | { name: 'owner'; key: string }
  | { name: 'console' }
  | { name: 'room'; lesson: string; invite: string }
  | { name: 'watch'; lesson: string; invite: string }
  | { name: 'replay'; recording: string; invite: string }
  /** Who may watch: one class, or null for those without rules of their own. */
  | { name: 'access'; lesson: string | null }
  | { name: 'not-found' };

/** The part of a route that makes it another page; a page is made again where this changes. */
export function pageKey(route: Route): string {
  return JSON.stringify(route);
}

/** Turns an address of this site into a route; `not-found` if it is none of ours. */
export function parseRoute(address: URL): Route {
  const [, page = '', id = '', ...rest] = address.pathname.replace(/\/+$/, '').split('/');
  const secrets = new URLSearchParams(address.hash.slice(1));
  const invite = secrets.get('invite') ?? '';
  if (rest.length > 0) return { name: 'not-found' };
  if (page === '' && id === '') return { name: 'home' };
  if (page === 'owner' && id === '') return { name: 'owner', key: secrets.get('key') ?? '' };
  if (page === 'console' && id === '') return { name: 'console' };
  if (page === 'room' && LessonId.safeParse(id).success) return { name: 'room', lesson: id, invite };
  if (page === 'watch' && LessonId.safeParse(id).success) return { name: 'watch', lesson: id, invite };
  if (page === 'access' && id === '') return { name: 'access', lesson: null };
  if (page === 'access' && LessonId.safeParse(id).success) return { name: 'access', lesson: id };
  if (page === 'replay' && RecordingId.safeParse(id).success)
    return { name: 'replay', recording: id, invite };
  return { name: 'not-found' };
}

export interface HistoryPort {
  current(): URL;
  push(path: string): void;
  replace(path: string): void;
  /** Calls back when the person goes back or forward, or puts another link into the address bar. */
  onChange(listener: () => void): () => void;
}

export class Router {
  #history: HistoryPort;
  #invitations: Invitations;
  #route = $state.raw<Route>({ name: 'not-found' });
  #stop: () => void;
  /** Where the page is, to stay there. */
  #here = '';
  #guard: (() => boolean) | undefined;

  constructor(history: HistoryPort, invitations: Invitations) {
    this.#history = history;
    this.#invitations = invitations;
    this.#read();
    this.#stop = history.onChange(() => this.#moved());
  }

  /** Where the page is. Reactive. */
  get route(): Route {
    return this.#route;
  }

  /** A parameter behind `?`, or null. */
  query(name: string): string | null {
    return this.#history.current().searchParams.get(name);
  }

  /** Goes to a path of this site, or to an absolute address on it. */
  go(path: string): void {
    this.#history.push(this.#discreet(new URL(path, this.#history.current())).href);
    this.#read();
  }

  /** Like `go`, leaving no trace of the present address in the history. */
  replace(path: string): void {
    this.#history.replace(path);
    this.#read();
  }

  /** From now on nobody goes back from here unless `guard` says so. Returns the function that lets go. */
  hold(guard: () => boolean): () => void {
    this.#guard = guard;
    return () => {
      if (this.#guard === guard) this.#guard = undefined;
    };
  }

  close(): void {
    this.#stop();
  }

  #moved(): void {
    const { href } = this.#history.current();
    if (href !== this.#here && this.#guard?.() === false) this.#history.push(this.#here);
    else this.#read();
  }

  #read(): void {
    const given = this.#history.current();
    const shown = this.#discreet(given);
    if (shown.href !== given.href) this.#history.replace(shown.href);
    this.#here = shown.href;
    const route = parseRoute(shown);
    this.#route =
      route.name === 'room' && route.invite === ''
        ? { ...route, invite: this.#invitations.kept(route.lesson) }
        : route;
  }

  /** The address as it was meant, without what is kept instead. */
  #discreet(address: URL): URL {
    const meant = understandLink(address);
    const route = parseRoute(meant);
    if (route.name === 'room' && this.#invitations.keep(route.lesson, route.invite)) meant.hash = '';
    return meant;
  }
}
