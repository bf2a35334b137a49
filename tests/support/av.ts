// Looks at what came out with ffmpeg and ffprobe: streams, and whether flash and beep are together.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BITS } from './studio.ts';

const run = promisify(execFile);
const SAMPLE_RATE = 48_000;
const MAX_OUTPUT = 256 * 1024 * 1024;

export interface Probe {
  durationS: number;
  streams: { codec: string; type: string; width?: number; height?: number; sampleRate?: number }[];
}

/** What ffprobe finds at `input` (a file or an address). Rejects if it cannot be opened. */
export async function probe(input: string): Promise<Probe> {
  const { stdout } = await run(
    'ffprobe',
    ['-v', 'error', '-show_format', '-show_streams', '-of', 'json', input],
    { timeout: 30_000, maxBuffer: MAX_OUTPUT },
  );
  const found = JSON.parse(stdout) as {
    format: { duration?: string };
    streams: {
      codec_name: string;
      codec_type: string;
      width?: number;
      height?: number;
      sample_rate?: string;
    }[];
  };
  return {
    durationS: Number(found.format.duration ?? Number.NaN),
    streams: found.streams.map((stream) => ({
      codec: stream.codec_name,
      type: stream.codec_type,
      ...(stream.width === undefined ? {} : { width: stream.width }),
      ...(stream.height === undefined ? {} : { height: stream.height }),
      ...(stream.sample_rate === undefined ? {} : { sampleRate: Number(stream.sample_rate) }),
    })),
  };
}

/** How many frames of each kind a file has, and whether its first picture is a key frame. */
export async function framesIn(file: string): Promise<{ video: number; audio: number; keyFirst: boolean }> {
  const entries = ['-show_entries', 'packet=codec_type,flags', '-of', 'csv=p=0'];
  const { stdout } = await run('ffprobe', ['-v', 'error', ...entries, file], { maxBuffer: MAX_OUTPUT });
  const lines = stdout.split('\n');
  const [video, audio] = ['video', 'audio'].map((kind) => lines.filter((line) => line.startsWith(kind)));
  return {
    video: video?.length ?? 0,
    audio: audio?.length ?? 0,
    keyFirst: video?.[0]?.startsWith('video,K') ?? false,
  };
}

/** Every picture with its own time: ffmpeg would else round to a guessed rate and complain of that. */
const AS_IT_IS = ['-fps_mode', 'passthrough', '-enc_time_base', '-1'];

/** Decodes all of `input` and returns what ffmpeg complained about; empty when it is whole. */
export async function decodeErrors(input: string): Promise<string> {
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', input, ...AS_IT_IS, '-f', 'null', '-'], {
    timeout: 120_000,
    maxBuffer: MAX_OUTPUT,
  });
  return stderr.trim();
}

/** Keeps `seconds` of what `input` plays, as it is, in `file` (Matroska keeps every timestamp). */
export async function capture(input: string, file: string, seconds: number): Promise<void> {
  await run(
    'ffmpeg',
    ['-v', 'error', '-y', '-i', input, '-t', String(seconds), '-c', 'copy', '-f', 'matroska', file],
    { timeout: (seconds + 30) * 1_000, maxBuffer: MAX_OUTPUT },
  );
}

/** What is looked at, and how. */
export interface Look {
  /** Where it begins, in seconds: times count from there. All of it if left out. */
  readonly fromS?: number;
  readonly forS?: number;
  /** A shorter hole in the sound is played over, as by players that count its frames, in seconds; 0.1 if left out. */
  readonly holeS?: number;
}

const inputOf = (file: string, { fromS, forS }: Look): string[] => [
  ...(fromS === undefined ? [] : ['-ss', String(fromS)]),
  ...(forS === undefined ? [] : ['-t', String(forS)]),
  ...['-i', file],
];

/** When each flash begins (the lower quarter of the picture turns white), in seconds. */
export async function flashTimes(file: string, look: Look = {}): Promise<number[]> {
  const { stdout } = await run(
    'ffmpeg',
    [
      '-v',
      'error',
      ...inputOf(file, look),
      '-map',
      '0:v:0',
      '-vf',
      'crop=iw:ih/8:0:ih*13/16,signalstats,metadata=print:file=-',
      '-f',
      'null',
      '-',
    ],
    { timeout: 120_000, maxBuffer: MAX_OUTPUT },
  );
  const times: number[] = [];
  let at = 0;
  let bright = true;
  for (const line of stdout.split('\n')) {
    const time = /pts_time:(-?[\d.]+)/.exec(line);
    if (time?.[1] !== undefined) at = Number(time[1]);
    const level = /YAVG=([\d.]+)/.exec(line);
    if (level?.[1] === undefined) continue;
    const now = Number(level[1]) > 126;
    if (now && !bright) times.push(at);
    bright = now;
  }
  return times;
}

/** When each beep begins, in seconds on the same clock as {@link flashTimes}. */
export async function beepTimes(file: string, look: Look = {}): Promise<number[]> {
  const { stdout } = await run(
    'ffmpeg',
    [
      '-v',
      'error',
      ...inputOf(file, look),
      '-map',
      '0:a:0',
      '-af',
      `aresample=async=1:min_hard_comp=${look.holeS ?? 0.1}:first_pts=0`,
      '-ac',
      '1',
      '-ar',
      String(SAMPLE_RATE),
      '-f',
      'f32le',
      '-',
    ],
    { timeout: 120_000, maxBuffer: MAX_OUTPUT, encoding: 'buffer' },
  );
  const samples = new Float32Array(stdout.buffer, stdout.byteOffset, Math.floor(stdout.length / 4));
  const times: number[] = [];
  const quiet = SAMPLE_RATE / 4;
  // One under way in the first 25 ms began before, as with the flashes.
  let lastLoud = -0.9 * quiet;
  for (let index = 0; index < samples.length; index += 1) {
    if (Math.abs(samples[index] ?? 0) < 0.1) continue;
    if (index - lastLoud > quiet) times.push(index / SAMPLE_RATE);
    lastLoud = index;
  }
  return times;
}

/** For each flash the time until the nearest beep, in ms; positive when the sound is late. */
export async function skewsMs(file: string, look: Look = {}): Promise<number[]> {
  const [flashes, beeps] = await Promise.all([flashTimes(file, look), beepTimes(file, look)]);
  return flashes.flatMap((flash) => {
    const nearest = beeps.reduce(
      (best, beep) => (Math.abs(beep - flash) < Math.abs(best - flash) ? beep : best),
      Infinity,
    );
    return Math.abs(nearest - flash) < 0.5 ? [(nearest - flash) * 1_000] : [];
  });
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value below which `percent` of `values` lie (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1))] ??
    Number.NaN
  );
}

/** When each picture of `file` was drawn, as its bar code says (studio.ts), in ms since 1970; none after `untilMs`. */
export async function drawnAtMs(file: string, untilMs: number): Promise<number[]> {
  const cells = `crop=iw:ih/12:0:ih/24,scale=${BITS}:1:flags=area,format=gray`;
  const { stdout } = await run(
    'ffmpeg',
    ['-v', 'error', '-i', file, '-map', '0:v:0', '-fps_mode', 'passthrough'].concat([
      '-vf',
      cells,
      '-f',
      'rawvideo',
      '-',
    ]),
    { timeout: 120_000, maxBuffer: MAX_OUTPUT, encoding: 'buffer' },
  );
  const modulus = 2 ** BITS;
  return Array.from({ length: stdout.length / BITS }, (_, picture) => {
    const bits = stdout.subarray(picture * BITS, (picture + 1) * BITS);
    const code = bits.reduce((sum, luma) => sum * 2 + Number(luma > 128), 0);
    return untilMs - ((((untilMs - code) % modulus) + modulus) % modulus);
  });
}
