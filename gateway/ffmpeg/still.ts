// Pictures of a piece of video as JPEG, by ffmpeg.
import { outputPipe, startProcess } from './process.ts';

/** The longer side of a still, in pixels. */
const MAX_SIDE = 640;
/** Of so many pictures the one that is most like the others is taken: none that is black or torn by a change. */
const LOOKED_AT = 30;
/** A thumbnail, in pixels: what is of another shape has edges. */
const THUMBNAIL = '160:90';
/** No piece of a class takes so long, in ms. */
const LIMIT_MS = 10_000;
/** The end of a JPEG and the start of the next: neither is within one. */
const BETWEEN = Buffer.from([0xff, 0xd9, 0xff, 0xd8]);
const END_BYTES = 2;

/** In square pixels. */
const SQUARED = 'scale=w=iw*sar:h=ih,setsar=1';

/**
 * Makes a JPEG of a fragmented MP4. Resolves with undefined where ffmpeg makes none of it, or is not there; never
 * rejects.
 */
export async function stillOf(ffmpeg: string, movie: readonly Uint8Array[]): Promise<Uint8Array | undefined> {
  const scale = `scale=w=min(${MAX_SIDE}\\,iw):h=min(${MAX_SIDE}\\,ih):force_original_aspect_ratio=decrease`;
  const filters = `thumbnail=n=${LOOKED_AT},${SQUARED},${scale}`;
  const jpeg = await jpegOf(ffmpeg, ['-f', 'mp4'], movie, ['-an', '-frames:v', '1', '-vf', filters]);
  return jpeg?.length === 0 ? undefined : jpeg;
}

/**
 * Makes a small JPEG of each key frame, which are H.264 byte streams. What cannot be decoded has none: then there are
 * fewer. Resolves with undefined where ffmpeg is not there, or has no time; never rejects.
 */
export async function thumbnailsOf(
  ffmpeg: string,
  keyFrames: readonly Uint8Array[],
): Promise<Uint8Array[] | undefined> {
  const one = ['-threads', '1', '-filter_threads', '1'];
  const scale = `scale=${THUMBNAIL}:force_original_aspect_ratio=decrease,pad=${THUMBNAIL}:-1:-1`;
  const each = ['-fps_mode', 'passthrough', '-vf', `${SQUARED},${scale}`, '-threads', '1'];
  const jpegs = await jpegOf(ffmpeg, [...one, '-f', 'h264'], keyFrames, each);
  return jpegs && split(jpegs);
}

/** All that ffmpeg makes of it, which may be nothing; undefined where it is not there, or takes too long. */
async function jpegOf(
  ffmpeg: string,
  reading: readonly string[],
  video: readonly Uint8Array[],
  writing: readonly string[],
): Promise<Buffer | undefined> {
  const child = startProcess({
    ffmpeg,
    args: [
      ...['-v', 'error', ...reading, '-i', 'pipe:0', ...writing],
      ...['-q:v', '5', '-f', 'mjpeg', outputPipe(0)],
    ],
    priority: 'spare',
  });
  const timer = setTimeout(() => child.kill(), LIMIT_MS);
  const pieces: Buffer[] = [];
  child.outputs[0]?.on('data', (piece: Buffer) => pieces.push(piece));
  for (const bytes of video) child.stdin.write(bytes);
  child.stdin.end();
  const end = await child.ended;
  clearTimeout(timer);
  if (end.how === 'finished') return Buffer.concat(pieces);
  // With a code of its own it says that it can do nothing with this.
  return end.how === 'failed' && /^\d+$/.test(end.by) ? Buffer.alloc(0) : undefined;
}

/** Each of them is a copy: a view would keep all of them in memory. */
function split(jpegs: Buffer): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let from = 0; from < jpegs.length;) {
    const at = jpegs.indexOf(BETWEEN, from);
    const end = at < 0 ? jpegs.length : at + END_BYTES;
    all.push(new Uint8Array(jpegs.subarray(from, end)));
    from = end;
  }
  return all;
}
