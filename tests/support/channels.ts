// Whether a file has sound on the left and on the right, in decoders other than ffmpeg's.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';

const run = promisify(execFile);
const SAMPLE_RATE = 48_000;

/** The tone on the left and on the right of a film that tells them apart, in Hz. */
export const LEFT_HZ = 1_000;
export const RIGHT_HZ = 3_000;

/** How much of a tone of `hz` there is in sound (Goertzel's algorithm). */
function strength(samples: Float32Array, sampleRate: number, hz: number): number {
  const factor = 2 * Math.cos((2 * Math.PI * hz) / sampleRate);
  // In blocks: the phase of a tone that stops and begins again would else cancel it.
  const block = 960;
  let sum = 0;
  for (let from = 0; from + block <= samples.length; from += block) {
    let [last, before] = [0, 0];
    for (let at = from; at < from + block; at += 1) {
      [last, before] = [(samples[at] ?? 0) + factor * last - before, last];
    }
    sum += last * last + before * before - factor * last * before;
  }
  return sum;
}

/** How much of each tone each channel has, from the left one: `[left tone, right tone]`. */
export type Channels = readonly (readonly [number, number])[];

/** The channels as GStreamer decodes them. Its caps must not be changed on the way: what they are, is returned. */
export async function channelsInGStreamer(file: string, raw: string): Promise<Channels> {
  await run('gst-launch-1.0', [
    ...['-q', 'filesrc', `location=${file}`, '!', 'decodebin', 'name=d'],
    ...`d. ! queue ! audioconvert ! audioresample ! audio/x-raw,format=F32LE,layout=interleaved,rate=${SAMPLE_RATE},channels=2`.split(
      ' ',
    ),
    ...['!', 'filesink', `location=${raw}`],
    ...'d. ! queue ! videoconvert ! fakesink'.split(' '),
  ]);
  const bytes = readFileSync(raw);
  const both = new Float32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
  return [0, 1].map((channel) => {
    const one = both.filter((_, index) => index % 2 === channel);
    return [strength(one, SAMPLE_RATE, LEFT_HZ), strength(one, SAMPLE_RATE, RIGHT_HZ)] as const;
  });
}

/** The channels as Chromium decodes them for Web Audio. */
export async function channelsInChromium(browser: Browser, file: string): Promise<Channels> {
  const page = await browser.newPage();
  try {
    await page.addScriptTag({ content: `globalThis.strength = ${strength.toString()}` });
    const tones = await page.evaluate(
      async ([base64, ...hz]) => {
        const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
        const sound = await new OfflineAudioContext(2, 1, 48_000).decodeAudioData(bytes.buffer);
        const { strength: of } = globalThis as unknown as { strength: typeof strength };
        const samples = Array.from({ length: sound.numberOfChannels }, (_, at) => sound.getChannelData(at));
        return samples.map((one) => hz.map((tone) => of(one, sound.sampleRate, tone)));
      },
      [readFileSync(file).toString('base64'), LEFT_HZ, RIGHT_HZ] as const,
    );
    return tones.map(([left = 0, right = 0]) => [left, right] as const);
  } finally {
    await page.close();
  }
}
