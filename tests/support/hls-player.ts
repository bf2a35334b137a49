// hls.js in a page of its own, and what it does there: for the outputs alone, without our watch page.
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';

const HLS_JS = join(import.meta.dirname, '../../node_modules/hls.js/dist/hls.min.js');

/** What the player did so far. */
export interface PlayerReport {
  /** Of the element, in s. */
  readonly position: number;
  /** How far behind the source's clock the picture is, in s, sampled four times a second since it played. */
  readonly latencies: readonly number[];
  /** How often it stopped for lack of media after it had begun. */
  readonly stalls: number;
  readonly parts: number;
  readonly segments: number;
  /** Every target duration and part target that a playlist named. */
  readonly targets: readonly number[];
  /** From the request for the first playlist to the first picture, in ms. */
  readonly firstPictureMs: number;
  readonly errors: readonly string[];
  /** JavaScript memory of the page, in MB. */
  readonly heapMb: number;
  readonly height: number;
}

export interface HlsPlayer {
  readonly page: Page;
  report(): Promise<PlayerReport>;
  /** Forgets the latencies that were sampled so far. */
  restart(): Promise<void>;
  /** Goes to the rendition of this height, as soon as it can without a gap. */
  choose(height: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens `address` at the live edge; `settings` are hls.js's own. */
export async function openHlsPlayer(
  browser: Browser,
  address: string,
  settings: Record<string, unknown> = {},
): Promise<HlsPlayer> {
  const page = await browser.newPage();
  await page.setContent('<video muted playsinline width="640"></video>');
  await page.addScriptTag({ path: HLS_JS });
  await page.evaluate(runPlayer, { address, settings });
  return {
    page,
    report: () => page.evaluate(() => (globalThis as unknown as { report(): PlayerReport }).report()),
    restart: () => page.evaluate(() => (globalThis as unknown as { restart(): void }).restart()),
    choose: (height) =>
      page.evaluate(
        (chosen) => (globalThis as unknown as { choose(height: number): void }).choose(chosen),
        height,
      ),
    close: () => page.close(),
  };
}

/** Runs in the page. */
function runPlayer({ address, settings }: { address: string; settings: Record<string, unknown> }): void {
  interface Told {
    part?: unknown;
    details: string & { targetduration: number; partTarget: number };
    fatal: boolean;
  }
  type Handler = (name: string, data: Told) => void;
  interface Player {
    playingDate: Date | null;
    nextLevel: number;
    levels: { height: number }[];
    on(event: string, handler: Handler): void;
    loadSource(url: string): void;
    attachMedia(video: HTMLVideoElement): void;
  }
  const { Hls } = globalThis as unknown as {
    Hls: { new (settings: object): Player; Events: Record<string, string> };
  };
  const event = (name: string) => Hls.Events[name] ?? '';
  const video = document.querySelector('video');
  if (video === null) throw new Error('no video');
  const latencies: number[] = [];
  const targets = new Set<number>();
  const errors: string[] = [];
  const counts = { stalls: 0, parts: 0, segments: 0 };
  let firstPictureMs = Number.NaN;
  const startedMs = performance.now();
  const hls = new Hls({ lowLatencyMode: true, ...settings });
  hls.on(event('FRAG_LOADED'), (_name, { part }) => {
    if (part === null || part === undefined) counts.segments += 1;
    else counts.parts += 1;
  });
  hls.on(event('LEVEL_LOADED'), (_name, { details }) => {
    const { targetduration, partTarget } = details;
    targets.add(targetduration);
    if (partTarget > 0) targets.add(partTarget);
  });
  hls.on(event('ERROR'), (_name, { details, fatal }) => {
    errors.push(fatal ? `${details} (fatal)` : details);
  });
  video.addEventListener('waiting', () => {
    if (latencies.length > 0 && !video.seeking) counts.stalls += 1;
  });
  video.requestVideoFrameCallback(() => (firstPictureMs = performance.now() - startedMs));
  setInterval(() => {
    const shownMs = hls.playingDate?.getTime();
    if (shownMs !== undefined && !video.paused && video.readyState >= 3)
      latencies.push((Date.now() - shownMs) / 1_000);
  }, 250);
  Object.assign(globalThis, {
    restart: () => latencies.splice(0),
    choose: (height: number) => (hls.nextLevel = hls.levels.findIndex((level) => level.height === height)),
    report: (): PlayerReport => ({
      position: video.currentTime,
      latencies,
      ...counts,
      targets: [...targets],
      firstPictureMs,
      errors,
      heapMb:
        ((performance as unknown as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? 0) /
        1024 ** 2,
      height: video.videoHeight,
    }),
  });
  hls.loadSource(address);
  hls.attachMedia(video);
  void video.play().catch(() => undefined);
}
