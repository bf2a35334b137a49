// What every page can reach: made once in web/app.ts, given to the view through a context.
import type { Api } from '../engine/api.ts';
import type { AccessStore } from './access.svelte.ts';
import type { DrawChart } from './charts.ts';
import type { ConsoleStore } from './console.svelte.ts';
import type { LessonsStore } from './lessons.svelte.ts';
import type { RelaysStore } from './relays.svelte.ts';
import type { ReplayStore } from './replay.svelte.ts';
import type { Router } from './router.svelte.ts';
import type { SessionStore } from './session.svelte.ts';
import type { Theme } from './theme.svelte.ts';
import type { Toasts } from './toasts.svelte.ts';
import type { WatchStore } from './watch.svelte.ts';

export interface App {
  readonly api: Api;
  readonly router: Router;
  readonly theme: Theme;
  readonly toasts: Toasts;
  readonly session: SessionStore;
  readonly lessons: LessonsStore;
  /** Who may watch a class, or, with null, all that have no rules of their own. */
  openAccess(lesson: string | null): AccessStore;
  /** Opens the owner's console. */
  openConsole(): ConsoleStore;
  readonly drawChart: DrawChart;
  /** Opens the relays of a class. The part of a page that opens them closes them. */
  openRelays(lesson: string): RelaysStore;
  /** Opens the audience's side of a class. The page that opens it closes it. */
  openWatch(lesson: string, invite: string): WatchStore;
  /** Opens a recording. The page that opens it closes it. */
  openReplay(recording: string, invite: string): ReplayStore;
}
