// A camera and a microphone that a test can recognise anywhere downstream: each picture carries the
// wall clock as a bar code, and once a second a flash and a beep happen together.
import type { BrowserContext, Locator, Page } from 'playwright-core';

/** Bits of the clock that are drawn: milliseconds modulo 2^BITS, most significant first. */
export const BITS = 20;
/** A live picture with an older clock was read wrong, in ms. */
const LIVE_OLDEST_MS = 120_000;
/** A replay is watched on a busy machine some minutes later; the clock begins again after 17. */
const REPLAY_OLDEST_MS = 900_000;
/** A flash and a beep start at each whole second of the wall clock and last this long, in ms. */
export const FLASH_MS = 100;
/** The beep's pitch, in Hz. */
export const BEEP_HZ = 1_000;

/** Runs in the page, before its own scripts: its camera, microphone and screen are the test's. */
function installStudio({ bits, flashMs, beepHz }: { bits: number; flashMs: number; beepHz: number }): void {
  const WIDTH = 1280;
  const HEIGHT = 720;
  let studio: Promise<MediaStream> | undefined;

  const film = (background: string): MediaStream => {
    const canvas = document.createElement('canvas');
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const picture = canvas.getContext('2d', { alpha: false });
    if (picture === null) throw new Error('no canvas');
    // What a canvas captures of itself waits for the page to be painted: on a busy machine for 100 ms and more.
    const { MediaStreamTrackGenerator: Generator } = window as unknown as {
      MediaStreamTrackGenerator: new (init: { kind: 'video' }) => MediaStreamTrack & {
        writable: WritableStream<VideoFrame>;
      };
    };
    const video = new Generator({ kind: 'video' });
    const writer = video.writable.getWriter();
    const cell = WIDTH / bits;
    let frame = 0;
    const draw = () => {
      if (video.readyState === 'ended') {
        clearInterval(timer);
        return;
      }
      const now = Date.now();
      picture.fillStyle = background;
      picture.fillRect(0, 0, WIDTH, HEIGHT);
      // Something that moves, so that the encoder has work to do.
      picture.fillStyle = '#9bd';
      picture.fillRect((frame * 9) % WIDTH, 250 + 60 * Math.sin(frame / 9), 90, 90);
      frame += 1;
      const code = now % 2 ** bits;
      for (let bit = 0; bit < bits; bit += 1) {
        picture.fillStyle = Math.floor(code / 2 ** (bits - 1 - bit)) % 2 === 1 ? '#fff' : '#000';
        picture.fillRect(bit * cell, 0, cell, 120);
      }
      picture.fillStyle = now % 1_000 < flashMs ? '#fff' : '#000';
      picture.fillRect(0, HEIGHT - 180, WIDTH, 180);
      const taken = new VideoFrame(canvas, { timestamp: performance.now() * 1_000 });
      // The share may have been stopped.
      writer.write(taken).catch(() => taken.close());
    };
    const timer = setInterval(draw, 1_000 / 30);
    return new MediaStream([video]);
  };

  const build = async (): Promise<MediaStream> => {
    const stream = film('#345');
    const audio = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
    await audio.resume();
    const out = audio.createMediaStreamDestination();
    const gain = audio.createGain();
    gain.gain.value = 0;
    const tone = audio.createOscillator();
    tone.frequency.value = beepHz;
    tone.connect(gain).connect(out);
    tone.start();
    let planned = 0;
    // On a busy machine `currentTime` stands still for 100 ms and more, and loses time for good where the sound
    // breaks off: the furthest it was in the last 200 ms counts.
    const leads: number[] = [];
    setInterval(() => {
      leads.push(audio.currentTime - Date.now() / 1_000);
      if (leads.length > 10) leads.shift();
      const second = Math.ceil((Date.now() + 50) / 1_000) * 1_000;
      if (second === planned || second - Date.now() > 200) return;
      planned = second;
      const at = second / 1_000 + Math.max(...leads);
      gain.gain.setValueAtTime(0.5, at);
      gain.gain.setValueAtTime(0, at + flashMs / 1_000);
    }, 20);
    for (const track of out.stream.getAudioTracks()) stream.addTrack(track);
    return stream;
  };

  navigator.mediaDevices.getUserMedia = async (constraints) => {
    studio ??= build();
    const all = await studio;
    const wanted: MediaStreamTrack[] = [];
    if (constraints?.video) wanted.push(...all.getVideoTracks().map((track) => track.clone()));
    if (constraints?.audio) wanted.push(...all.getAudioTracks().map((track) => track.clone()));
    return new MediaStream(wanted);
  };
  navigator.mediaDevices.getDisplayMedia = () => Promise.resolve(film('#2a2'));
}

/** Gives every page of this context the test's camera and microphone. */
export async function useStudio(context: BrowserContext): Promise<void> {
  await context.addInitScript(installStudio, { bits: BITS, flashMs: FLASH_MS, beepHz: BEEP_HZ });
}

/** What a viewer's picture says, at one look. */
export interface Sight {
  /** Milliseconds from the moment the picture was drawn by the teacher to the moment it was seen. */
  ageMs: number;
  /** When the teacher drew it, in ms since 1970. */
  drawnAtMs: number;
  width: number;
  height: number;
  /** `currentTime` of the element, in seconds. */
  time: number;
  /** Which of the teacher's pictures it is. */
  source: 'camera' | 'screen';
}

/**
 * Reads the clock in the picture of the largest playing <video> of `page`.
 * Returns undefined while no picture with a readable clock is shown, or none that is younger than `oldestMs`.
 */
export async function look(
  page: Page,
  selector = 'video',
  oldestMs = LIVE_OLDEST_MS,
): Promise<Sight | undefined> {
  return page.evaluate(
    ({ bits, wanted, oldest }) => {
      const videos = [...document.querySelectorAll<HTMLVideoElement>(wanted)].filter(
        (element) => element.readyState >= 2 && element.videoWidth > 0,
      );
      videos.sort((a, b) => b.clientWidth - a.clientWidth);
      const video = videos[0];
      if (video === undefined) return undefined;
      const canvas = document.createElement('canvas');
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      const picture = canvas.getContext('2d', { willReadFrequently: true });
      if (picture === null) return undefined;
      const now = Date.now();
      picture.drawImage(video, 0, 0);
      const cell = canvas.width / bits;
      const y = Math.floor((60 / 720) * canvas.height);
      let code = 0;
      for (let bit = 0; bit < bits; bit += 1) {
        const [red = 0] = picture.getImageData(Math.floor((bit + 0.5) * cell), y, 1, 1).data;
        if (red > 70 && red < 185) return undefined;
        code = code * 2 + (red > 128 ? 1 : 0);
      }
      const modulus = 2 ** bits;
      const ageMs = ((((now % modulus) - code) % modulus) + modulus) % modulus;
      if (ageMs > oldest) return undefined;
      const [red = 0, green = 0] = picture.getImageData(
        4,
        Math.floor((185 / 720) * canvas.height),
        1,
        1,
      ).data;
      return {
        ageMs,
        drawnAtMs: now - ageMs,
        width: video.videoWidth,
        height: video.videoHeight,
        time: video.currentTime,
        source: green - red > 60 ? ('screen' as const) : ('camera' as const),
      };
    },
    { bits: BITS, wanted: selector, oldest: oldestMs },
  );
}

/** As {@link look}, in a replay. */
export const lookBack = (page: Page) => look(page, 'video', REPLAY_OLDEST_MS);

/**
 * Reads the clock in the picture that an <img> shows: when the teacher drew it, in ms since 1970, if that was in the
 * last quarter of an hour. Undefined while it cannot be read.
 */
export function drawnInImage(image: Locator): Promise<number | undefined> {
  return image.evaluate((element: HTMLImageElement, bits) => {
    const { naturalWidth, naturalHeight } = element;
    const canvas = document.createElement('canvas');
    canvas.width = naturalWidth;
    canvas.height = naturalHeight;
    const picture = canvas.getContext('2d');
    if (picture === null || !element.complete || naturalWidth === 0) return undefined;
    picture.drawImage(element, 0, 0);
    const y = Math.floor((60 / 720) * naturalHeight);
    let code = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      const [red = 0] = picture.getImageData(((bit + 0.5) * naturalWidth) / bits, y, 1, 1).data;
      if (red > 90 && red < 165) return undefined;
      code = code * 2 + (red > 128 ? 1 : 0);
    }
    const modulus = 2 ** bits;
    const now = Date.now();
    return now - (((((now % modulus) - code) % modulus) + modulus) % modulus);
  }, BITS);
}
