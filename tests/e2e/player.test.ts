// The player before servers that stall and die, and the mark over its picture. The class is sent as RTP.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { launchChromium } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { startHoldingProxy, type HoldingProxy } from '../support/holding-proxy.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { putOnAir, type OnAir } from '../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../support/rtp-source.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { watch, type Person } from './people.ts';

/** What is in the store of a low-latency player at most, with what a busy machine adds, in ms. */
const NOTICED_MS = 1_000;

const video = (page: Page) => page.locator('video');
const told = (page: Page, name: string) => video(page).getAttribute(`data-${name}`);
const position = (page: Page) => video(page).evaluate((element: HTMLVideoElement) => element.currentTime);
const hostOf = ({ origin }: TcpProxy) => new URL(origin).host;

async function plays(page: Page, what: string): Promise<void> {
  await eventually(what, async () => (await told(page, 'picture')) === 'playing', 30_000);
  const before = await position(page);
  await eventually(`${what}: it moves`, async () => (await position(page)) > before + 0.5, 15_000);
}

describe('the player', () => {
  let lectern: Lectern;
  let browser: Browser;
  let source: RtpSource;
  let lesson: Lesson;
  let air: OnAir;
  let edges: TcpProxy[] = [];
  let viewer: Person;

  before(async () => {
    edges = await Promise.all([startTcpProxy(), startTcpProxy(), startTcpProxy()]);
    lectern = await startLectern({
      LECTERN_PLAY_ORIGINS: edges.map(({ origin }) => origin).join(','),
    });
    // The first takes connections and says nothing.
    for (const edge of edges.slice(1)) edge.leadTo(lectern.url);
    source = await startRtpSource();
    lesson = await lectern.startClass();
    air = await putOnAir(lectern, lesson, source, 'player234567');
    browser = await launchChromium();
    viewer = await watch(browser, lesson);
  });
  after(async () => {
    await browser.close();
    air.vanish();
    await source.close();
    await lectern.stop();
    for (const edge of edges) await edge.die();
  });

  /**
   * The edge that the viewer plays from. Where no edge brings anything within a second, as on a busy machine, the
   * school's own server is asked too and may be the first: then the page is opened again.
   */
  const edgePlayed = async () => {
    for (let times = 0; times < 5; times += 1) {
      await plays(viewer.page, 'the class is seen');
      const server = await told(viewer.page, 'server');
      const edge = edges.find((one) => hostOf(one) === server);
      if (edge !== undefined) return edge;
      await viewer.page.reload();
    }
    assert.fail('no edge is ever the first');
  };
  const stalledMs = async () => Number(await told(viewer.page, 'stalled-ms'));

  it('asks all servers at once, keeps the first that brings media, and lets the others go', async (t) => {
    await plays(viewer.page, 'the class is seen');
    assert.ok(edges.every(({ connections }) => connections === 1));
    assert.notEqual(await edgePlayed(), edges[0], 'the one that says nothing is not kept');
    await eventually('the others are let go', () => edges.filter(({ open }) => open > 0).length === 1);
    t.diagnostic(`first picture after ${await told(viewer.page, 'first-frame-ms')} ms`);
  });

  it('goes on from another when its server dies in the middle of class', async (t) => {
    await sleep(3_000);
    const [dead, stalledBefore] = [await edgePlayed(), await stalledMs()];
    await dead.die();
    await eventually('another server', async () => (await told(viewer.page, 'server')) !== hostOf(dead));
    await plays(viewer.page, 'the class goes on');
    await sleep(1_000);
    const stalled = (await stalledMs()) - stalledBefore;
    t.diagnostic(`the picture stood still for ${stalled} ms`);
    assert.ok(stalled <= NOTICED_MS, `${stalled} ms`);
    assert.equal(await told(viewer.page, 'protocol'), 'flv');
  });

  it('and when it falls silent, at last from the school’s own', async (t) => {
    await sleep(3_000);
    const [silent, stalledBefore] = [await edgePlayed(), await stalledMs()];
    silent.freeze();
    await eventually('another server', async () => (await told(viewer.page, 'server')) !== hostOf(silent));
    await plays(viewer.page, 'the class goes on');
    await sleep(1_000);
    const stalled = (await stalledMs()) - stalledBefore;
    t.diagnostic(`the picture stood still for ${stalled} ms`);
    assert.equal(await told(viewer.page, 'server'), new URL(lesson.play.flv).host);
    assert.ok(stalled <= NOTICED_MS, `${stalled} ms`);
  });

  it('says that the class is interrupted when the server says so', async () => {
    source.sendTo(undefined);
    await viewer.page.getByText('Interrupted').first().waitFor({ timeout: 20_000 });
    assert.equal(await told(viewer.page, 'picture'), 'interrupted');
    const { ingest } = await air.status();
    source.sendTo({ ip: ingest.ip, ports: ingest.port });
    await plays(viewer.page, 'the class goes on');
    assert.equal(await viewer.page.getByText('Interrupted').count(), 0);
  });

  it('has a bar while it is live, which leads to any moment so far and back', async () => {
    const { page } = viewer;
    const bar = page.getByRole('slider', { name: 'Position' });
    await page.mouse.move(300, 300);
    await bar.waitFor();
    assert.equal(await bar.getAttribute('aria-valuetext'), 'Live');
    const lengthS = async () => Number(await bar.getAttribute('max'));
    const before = await lengthS();
    assert.ok(before > 10, `${before} s so far`);
    await eventually('it grows', async () => (await lengthS()) > before);
    assert.equal(await told(page, 'mode'), 'live', 'and nothing else happens');

    // The first request for media fails, as on a bad network.
    await page.route(/\.m4s/, (route) => route.abort(), { times: 1 });
    await page.keyboard.press('Home');
    await eventually('behind live', async () => (await told(page, 'mode')) === 'rewound');
    const isFromItsBeginning = async () => {
      const [picture, atS] = [await told(page, 'picture'), await position(page)];
      if (picture === 'playing' && atS > 0.5 && atS < 10) return true;
      throw new Error(`${picture} at ${atS} s`);
    };
    await eventually('the class from its beginning', isFromItsBeginning, 30_000);
    const rate = () => video(page).evaluate((element: HTMLVideoElement) => element.playbackRate);
    await page.keyboard.press('>');
    assert.equal(await rate(), 1.25);
    const end = await video(page).evaluate(({ seekable }: HTMLVideoElement) => seekable.end(0));
    assert.ok(
      Math.abs(end - (await lengthS())) < 6,
      `${end} s in the playlist, ${await lengthS()} s on the bar`,
    );

    await bar.fill(String(before - 5));
    await eventually('another moment', async () => (await position(page)) > before - 6);
    await page.keyboard.press('End');
    await eventually('live again', async () => (await told(page, 'mode')) === 'live');
    await plays(page, 'the class at its edge');
    await eventually('at the usual speed', async () => Math.abs((await rate()) - 1) <= 0.1);
    assert.deepEqual(viewer.errors, []);
  });

  it('wears the school’s mark, in full screen too, and puts it back', async () => {
    await lectern.api('PUT', `/lessons/${lesson.id}/watermark`, { text: 'Springfield {viewer}' });
    const marked = await watch(browser, lesson);
    try {
      const { page } = marked;
      await plays(page, 'the class is seen');
      const mark = page.locator('[data-watermark]');
      await mark.waitFor();
      const text = (await mark.textContent()) ?? '';
      assert.match(text, /^Springfield [0-9A-F]{8}$/);
      assert.equal(await mark.getAttribute('aria-hidden'), 'true');
      const place = () => mark.evaluate((element) => element.getBoundingClientRect().toJSON() as DOMRect);
      const first = await place();
      // Where it goes is chosen at random, every twelve seconds: it may be near.
      const distance = ({ x, y }: DOMRect) => Math.hypot(x - first.x, y - first.y);
      await eventually('it moves', async () => distance(await place()) > 5, 40_000);
      const back = async (what: string) => {
        await eventually(what, async () => (await mark.count()) === 1 && (await mark.isVisible()));
        assert.equal(await mark.textContent(), text);
      };
      await mark.evaluate((element) => element.remove());
      await back('it is put back');
      await mark.evaluate((element) => element.style.setProperty('display', 'none', 'important'));
      await back('it is not hidden');
      await mark.evaluate((element) => (element.textContent = 'nobody'));
      await back('it does not lie');
      await page.keyboard.press('f');
      await eventually('full screen', () => page.evaluate(() => document.fullscreenElement !== null));
      assert.equal(await mark.evaluate((element) => document.fullscreenElement?.contains(element)), true);
      assert.equal(await page.getByRole('button', { name: 'Picture in picture' }).count(), 0);
      assert.deepEqual(marked.errors, []);
    } finally {
      await marked.leave();
    }
  });

  it('remembers how the viewer wants it delivered', async () => {
    const { page } = viewer;
    await page.mouse.move(300, 300);
    await page.getByRole('button', { name: 'Settings' }).click();
    // A press outside the choices does not take the keys from the menu.
    await page.getByRole('menu').locator('.heading').first().click();
    await page.keyboard.press('Escape');
    await page.getByRole('menu').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('menuitemradio', { name: 'Low delay (LL-HLS)' }).click();
    await eventually('LL-HLS', async () => (await told(page, 'protocol')) === 'll-hls');
    await plays(page, 'the class over LL-HLS');
    await page.reload();
    await eventually('LL-HLS again', async () => (await told(page, 'protocol')) === 'll-hls', 20_000);
    await plays(page, 'the class over LL-HLS again');
    assert.deepEqual(viewer.errors, []);
  });
});

describe('the player behind a proxy that holds streams back', () => {
  let proxy: HoldingProxy;
  let lectern: Lectern;
  let browser: Browser;
  let source: RtpSource;
  let air: OnAir;

  before(async () => {
    proxy = await startHoldingProxy();
    const port = await freePort();
    proxy.leadTo(`http://127.0.0.1:${port}`);
    lectern = await startLectern({ LECTERN_PORT: String(port), LECTERN_PUBLIC_URL: proxy.origin });
    source = await startRtpSource();
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    air.vanish();
    await source.close();
    await lectern.stop();
    await proxy.close();
  });

  it('plays over a WebSocket what never comes over HTTP', async (t) => {
    const lesson = await lectern.startClass();
    air = await putOnAir(lectern, lesson, source, 'player345678');
    const viewer = await watch(browser, lesson);
    const stream = new URL(lesson.play.flv).pathname;
    await eventually('the stream over HTTP is held back', () => proxy.held.includes(stream), 30_000);
    await plays(viewer.page, 'the class is seen');
    assert.equal(await told(viewer.page, 'protocol'), 'flv');
    assert.equal(await told(viewer.page, 'server'), `${new URL(proxy.origin).host} (WebSocket)`);
    await eventually('the one over HTTP is let go', () => !proxy.held.includes(stream));
    t.diagnostic(`first picture after ${await told(viewer.page, 'first-frame-ms')} ms`);
    assert.deepEqual(viewer.errors, []);
  });
});
