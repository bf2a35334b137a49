// The sound of a class as each player takes it: passed through as Opus, and made into AAC for those who need
// that, while they need it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type { Lesson, Recording } from '#shared/contract/rest.ts';
import { FlvDemuxer, parseAudioBody } from '#shared/media/flv.ts';
import { probe } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { openHlsPlayer } from '../support/hls-player.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { gatewayOf, putOnAir, type OnAir } from '../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../support/rtp-source.ts';
import { arrive } from './people.ts';

/** The tone of the class (tests/support/rtp-source.ts), in Hz. */
const TONE_HZ = 440;

/** The loudest frequency that the page's video plays, in Hz; 0 for silence. */
function loudest(page: Page): Promise<number> {
  return page.locator('video').evaluate(async (video: HTMLVideoElement) => {
    const context = new AudioContext();
    const stream = (video as HTMLVideoElement & { captureStream(): MediaStream }).captureStream();
    const analyser = new AnalyserNode(context, { fftSize: 16_384 });
    context.createMediaStreamSource(stream).connect(analyser);
    await context.resume();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const top = bins.indexOf(Math.max(...bins));
    await context.close();
    return (bins[top] ?? -Infinity) < -80 ? 0 : (top * context.sampleRate) / analyser.fftSize;
  });
}

/** The codecs of the first so many frames of sound at `address`. */
async function soundOf(address: string, frames = 50): Promise<Set<string>> {
  const cancel = new AbortController();
  const response = await fetch(address, { signal: cancel.signal });
  assert.equal(response.status, 200);
  const demuxer = new FlvDemuxer();
  const codecs: string[] = [];
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      for (const tag of demuxer.readBytes(chunk)) {
        const body = tag.type === 'audio' ? parseAudioBody(tag.body) : undefined;
        if (body?.type === 'frame') codecs.push(body.codec);
      }
      if (codecs.length >= frames) break;
    }
  } finally {
    cancel.abort();
  }
  return new Set(codecs);
}

async function encoders(lectern: Lectern): Promise<Record<string, number>> {
  const text = await (await fetch(`${gatewayOf(lectern)}/metrics`)).text();
  const found = [...text.matchAll(/^lectern_sound_encoders\{[^}]*codec="(\w+)"[^}]*\} (\d+)$/gm)];
  return Object.fromEntries(found.map(([, codec = '', count]) => [codec, Number(count)]));
}

describe('the sound of a class', () => {
  let browser: Browser;
  let source: RtpSource;
  before(async () => {
    browser = await launchChromium();
    source = await startRtpSource();
  });
  after(async () => {
    await browser.close();
    await source.close();
  });

  describe('as a school has it from the start', () => {
    let lectern: Lectern;
    let lesson: Lesson;
    let air: OnAir;
    before(async () => {
      lectern = await startLectern();
      lesson = await lectern.startClass();
      air = await putOnAir(lectern, lesson, source, 'sound2345678');
    });
    after(async () => {
      air.vanish();
      await lectern.stop();
    });

    it('reaches the watch page as Opus, not encoded again', async () => {
      const viewer = await arrive(browser);
      const sounds: (string | null)[] = [];
      viewer.page.on('request', (request) => {
        const { pathname, searchParams } = new URL(request.url());
        if (pathname.endsWith('.flv')) sounds.push(searchParams.get('sound'));
      });
      await viewer.page.goto(lesson.links.watch);
      try {
        await eventually(
          'the class is seen',
          async () => (await viewer.page.locator('video').getAttribute('data-picture')) === 'playing',
          30_000,
        );
        assert.deepEqual([...new Set(sounds)], ['opus']);
        const hz = await loudest(viewer.page);
        assert.ok(Math.abs(hz - TONE_HZ) < 6, `${hz} Hz`);
        assert.equal((await encoders(lectern))['opus'], 0, 'it is passed through');
      } finally {
        await viewer.leave();
      }
    });

    it('is AAC for all who do not ask, and Opus for those who do', async () => {
      assert.deepEqual(await soundOf(lesson.play.flv), new Set(['aac']));
      assert.deepEqual(await soundOf(`${lesson.play.flv}&sound=aac`), new Set(['aac']));
      assert.deepEqual(await soundOf(`${lesson.play.flv}&sound=opus`), new Set(['opus']));
      for (const query of ['sound=mp3', 'sound=', 'sound=aac&sound=opus', 'sound=constructor']) {
        const refused = await fetch(`${lesson.play.flv}&${query}`);
        assert.equal(refused.status, 400, query);
        assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'bad-request');
      }
    });
  });

  describe('where HLS and recordings are Opus too', () => {
    let lectern: Lectern;
    let lesson: Lesson;
    let air: OnAir;
    before(async () => {
      lectern = await startLectern({ LECTERN_HLS_SOUND: 'opus', LECTERN_RESUME_MS: '2000' });
      lesson = await lectern.startClass();
      air = await putOnAir(lectern, lesson, source, 'sound3456789');
    });
    after(() => lectern.stop());

    it('is encoded for nobody until somebody needs AAC, and not for long after', async () => {
      await sleep(3_000);
      assert.deepEqual(await encoders(lectern), { aac: 0, opus: 0 });
      assert.deepEqual(await soundOf(lesson.play.flv, 100), new Set(['aac']));
      assert.equal((await encoders(lectern))['aac'], 1, 'viewers come back: it goes on for a moment');
      await eventually('it ends', async () => (await encoders(lectern))['aac'] === 0, 20_000);
      assert.deepEqual(await soundOf(lesson.play.flv), new Set(['aac']), 'and begins again');
    });

    it('is heard in hls.js, and in ffmpeg', async () => {
      const player = await openHlsPlayer(browser, lesson.play.hls, {});
      await eventually('it plays', async () => (await player.report()).position > 1, 20_000);
      const hz = await loudest(player.page);
      assert.ok(Math.abs(hz - TONE_HZ) < 6, `${hz} Hz`);
      assert.deepEqual((await player.report()).errors, []);
      await player.close();
      const { streams } = await probe(lesson.play.hls);
      assert.ok(streams.some(({ codec }) => codec === 'opus'));
    });

    it('is in the replay and in the file that is downloaded', async () => {
      air.vanish();
      const recording = await eventually(
        'the recording is ready',
        async () => {
          const [first] = (await lectern.api('GET', `/recordings?lesson=${lesson.id}`)) as Recording[];
          return first?.state === 'ready' && first;
        },
        30_000,
      );
      const dir = mkdtempSync(join(tmpdir(), 'lectern-sound-'));
      try {
        for (const { format, url } of recording.files) {
          if (format !== 'mp4') continue;
          const file = join(dir, `class.${format}`);
          writeFileSync(file, Buffer.from(await (await fetch(url)).arrayBuffer()));
          const { streams } = await probe(file);
          assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['h264', 'opus']);
        }
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });
  });
});
