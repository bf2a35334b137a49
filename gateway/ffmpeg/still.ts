// One picture of a piece of video as JPEG, by ffmpeg.
import { outputPipe, startProcess } from './process.ts';

/** The longer side of what is made, in pixels. */
const MAX_SIDE = 640;
/** Of so many pictures the one that is most like the others is taken: none that is black or torn by a change. */
const LOOKED_AT = 30;
/** No piece of a class takes so long, in ms. */
const LIMIT_MS = 10_000;

/**
 * Makes a JPEG of a fragmented MP4. Resolves with undefined where ffmpeg makes none of it, or is not there; never
 * rejects.
 */
export async function stillOf(ffmpeg: string, movie: readonly Uint8Array[]): Promise<Uint8Array | undefined> {
  const scale = `scale=w=min(${MAX_SIDE}\\,iw):h=min(${MAX_SIDE}\\,ih):force_original_aspect_ratio=decrease`;
  const child = startProcess({
    ffmpeg,
    args: [
      ...['-v', 'error', '-f', 'mp4', '-i', 'pipe:0', '-an', '-frames:v', '1'],
      ...['-vf', `thumbnail=n=${LOOKED_AT},scale=w=iw*sar:h=ih,setsar=1,${scale}`],
      ...['-q:v', '5', '-f', 'mjpeg', outputPipe(0)],
    ],
    priority: 'spare',
  });
  const timer = setTimeout(() => child.kill(), LIMIT_MS);
  const pieces: Buffer[] = [];
  child.outputs[0]?.on('data', (piece: Buffer) => pieces.push(piece));
  for (const bytes of movie) child.stdin.write(bytes);
  child.stdin.end();
  const { how } = await child.ended;
  clearTimeout(timer);
  return how === 'finished' && pieces.length > 0 ? Buffer.concat(pieces) : undefined;
}
