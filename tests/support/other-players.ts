// Files as other players than ffmpeg see them: ffmpeg hides what these trip over.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type Hls from 'hls.js';
import type { Browser } from 'playwright-core';

const run = promisify(execFile);
/** Pictures are made this small, in pixels each way, to be counted. */
const SIDE = 16;

/** How many pictures there are in `file`: those in it for ffprobe, and those that GStreamer shows. */
export async function countPictures(
  file: string,
  folder: string,
): Promise<{ ffprobe: number; gstreamer: number }> {
  const args = ['-v', 'error', '-select_streams', 'v', '-count_packets', '-of', 'csv=p=0'];
  const { stdout } = await run('ffprobe', [...args, '-show_entries', 'stream=nb_read_packets', file]);
  const shown = join(folder, 'shown.gray');
  const small = `video/x-raw,format=GRAY8,width=${SIDE},height=${SIDE}`;
  await run('gst-launch-1.0', [
    ...['-q', 'filesrc', `location=${file}`, '!', 'decodebin', 'name=d'],
    ...`d. ! queue ! videoconvert ! videoscale add-borders=false ! ${small} ! filesink location=${shown}`.split(
      ' ',
    ),
    ...'d. ! queue ! audioconvert ! fakesink'.split(' '),
  ]);
  return { ffprobe: Number.parseInt(stdout), gstreamer: readFileSync(shown).length / SIDE ** 2 };
}

/** What plays for longer than this will not end any more, in ms. */
const STUCK_MS = 30_000;

/**
 * Plays the HLS at `address` by hls.js in Chromium from second `fromS` to its end, four times as fast. Rejects with what
 * the player says, or where it is stuck.
 */
export async function playHlsInChromium(browser: Browser, address: string, fromS = 0) {
  const page = await browser.newPage();
  try {
    await page.setContent('<video muted></video>');
    await page.addScriptTag({ path: join(import.meta.dirname, '../../node_modules/hls.js/dist/hls.min.js') });
    const play = async ({
      url,
      startPosition,
      stuckMs,
    }: {
      url: string;
      startPosition: number;
      stuckMs: number;
    }) => {
      const { Hls: Player } = window as unknown as { Hls: typeof Hls };
      const video = document.querySelector('video');
      if (video === null) throw new Error('no element');
      // As the player of the page does: with the first segment before there is a place for it.
      const hls = new Player({ startPosition, startFragPrefetch: true });
      const over = new Promise((resolve, reject) => {
        video.onended = resolve;
        setTimeout(() => reject(new Error(`stuck at ${video.currentTime} s`)), stuckMs);
        hls.on(Player.Events.ERROR, (_name, data) => data.fatal && reject(new Error(data.details)));
      });
      hls.loadSource(url);
      hls.attachMedia(video);
      video.playbackRate = 4;
      await Promise.all([video.play(), over]);
      const { totalVideoFrames: pictures } = video.getVideoPlaybackQuality();
      const soundBytes = Number((video as unknown as Record<string, unknown>).webkitAudioDecodedByteCount);
      return { pictures, soundBytes, durationS: video.duration };
    };
    return await page.evaluate(play, { url: address, startPosition: fromS, stuckMs: STUCK_MS });
  } finally {
    await page.close();
  }
}

/** Plays the file at `address` to its end in Chromium, four times as fast. Rejects with what the player says. */
export async function playInChromium(browser: Browser, address: string) {
  const page = await browser.newPage();
  try {
    await page.setContent('<video muted></video>');
    return await page.evaluate(async (url) => {
      const video = document.querySelector('video');
      if (video === null) throw new Error('no element');
      const over = new Promise((resolve, reject) => {
        video.onended = resolve;
        video.onerror = () => reject(new Error(video.error?.message));
      });
      video.src = url;
      video.playbackRate = 4;
      await video.play();
      await over;
      const { videoWidth: width, videoHeight: height, duration: durationS } = video;
      // What no standard says: that any sound was decoded.
      const soundBytes = Number((video as unknown as Record<string, unknown>).webkitAudioDecodedByteCount);
      return { width, height, durationS, soundBytes };
    }, address);
  } finally {
    await page.close();
  }
}
