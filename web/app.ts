// Joins the parts of the page: the only place besides main.ts that knows the browser and the engine both.
import { Api } from './engine/api.ts';
import { PROTOCOL_PREFERENCES, suits } from './engine/player/chooser.ts';
import { LivePlayer } from './engine/player/live-player.ts';
import { ReplayPlayer } from './engine/player/replay-player.ts';
import { drawChart } from './platform/chart.ts';
import { browserAttention } from './platform/network.ts';
import { browserHistory, documentTheme, storage } from './platform/page.ts';
import { forgetTab, rememberedStore, tabStore } from './platform/stores.ts';
import { browserClock } from './platform/players/clock.ts';
import { liveDrivers, replayDrivers } from './platform/players/drivers.ts';
import { browserPictures } from './platform/players/pictures.ts';
import { VideoScreen } from './platform/players/video-screen.ts';
import type { App } from './state/app.ts';
import { AccessStore } from './state/access.svelte.ts';
import { ConsoleStore } from './state/console.svelte.ts';
import { initLocale } from './state/i18n.svelte.ts';
import { Invitations } from './state/invitations.ts';
import { LessonsStore } from './state/lessons.svelte.ts';
import { RelaysStore } from './state/relays.svelte.ts';
import { ReplayStore } from './state/replay.svelte.ts';
import { Router } from './state/router.svelte.ts';
import { SessionStore } from './state/session.svelte.ts';
import { Theme } from './state/theme.svelte.ts';
import { Toasts } from './state/toasts.svelte.ts';
import { WatchStore } from './state/watch.svelte.ts';

export function createApp(): App {
  initLocale(storage.read('locale'), navigator.languages, (locale) => storage.write('locale', locale));
  const api = new Api(fetch);
  const router = new Router(browserHistory, new Invitations(tabStore));
  const browser = {
    clock: browserClock,
    random: Math.random,
    wallMs: () => api.time.nowMs(),
    pictures: browserPictures,
  };

  const preferenceOf = (text: string | null) =>
    PROTOCOL_PREFERENCES.find((preference) => preference === text);
  /** What the address asks for, or what was chosen the last time. */
  const wishedDelivery = () =>
    preferenceOf(router.query('player')) ?? preferenceOf(storage.read('delivery')) ?? 'auto';

  const watch = (lesson: string, invite: string) => {
    const delivery = wishedDelivery();
    // The player's code travels while the invitation is exchanged.
    liveDrivers(document.createElement('video'), browser.wallMs)
      .find((kind) => kind.supported() && suits(kind.protocol, delivery))
      ?.preload();
    return new WatchStore({
      ...browser,
      attention: browserAttention,
      api,
      lesson,
      invite,
      delivery,
      onDelivery: (chosen) => storage.write('delivery', chosen),
      createPlayer: (video, events) =>
        new LivePlayer({
          ...browser,
          screen: new VideoScreen(video),
          drivers: liveDrivers(video, browser.wallMs),
          events,
        }),
    });
  };
  const { route } = router;
  // Anyone who comes by a watch link waits for a picture: begin before the page's own code is here.
  let ahead = route.name === 'watch' ? { ...route, store: watch(route.lesson, route.invite) } : undefined;

  return {
    api,
    router,
    theme: new Theme(documentTheme),
    toasts: new Toasts(),
    session: new SessionStore(api, forgetTab),
    lessons: new LessonsStore(api),
    openConsole: () => new ConsoleStore(api),
    drawChart,

    openAccess: (lesson) => new AccessStore(api, lesson),

    openRelays: (lesson) => new RelaysStore(api, browserClock, lesson),

    openWatch(lesson, invite) {
      const early = ahead;
      ahead = undefined;
      return early?.lesson === lesson && early.invite === invite ? early.store : watch(lesson, invite);
    },

    openReplay(recording, invite) {
      replayDrivers(document.createElement('video'), browser.wallMs)
        .find((kind) => kind.supported())
        ?.preload();
      return new ReplayStore({
        ...browser,
        api,
        recording,
        invite,
        store: rememberedStore,
        createPlayer: (video, options) =>
          new ReplayPlayer({
            ...browser,
            ...options,
            screen: new VideoScreen(video),
            drivers: replayDrivers(video, browser.wallMs),
          }),
      });
    },
  };
}
