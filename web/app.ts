// Joins the parts of the page: the only place beside main.ts that knows the browser and the engine both.
import { Api } from './engine/api.ts';
import { browserHistory, documentTheme, storage } from './platform/page.ts';
import type { App } from './state/app.ts';
import { initLocale } from './state/i18n.svelte.ts';
import { LessonsStore } from './state/lessons.svelte.ts';
import { Router } from './state/router.svelte.ts';
import { SessionStore } from './state/session.svelte.ts';
import { Theme } from './state/theme.svelte.ts';
import { Toasts } from './state/toasts.svelte.ts';

export function createApp(): App {
  initLocale(storage.read('locale'), navigator.languages, (locale) => storage.write('locale', locale));
  const api = new Api(fetch);
  return {
    api,
    router: new Router(browserHistory),
    theme: new Theme(documentTheme),
    toasts: new Toasts(),
    session: new SessionStore(api),
    lessons: new LessonsStore(api),
  };
}
