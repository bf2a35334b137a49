// What a file holds of what was sent, and what a kill cost it.
import { FlvDemuxer, parseVideoBody } from '#shared/media/flv.ts';
import { readAvcc } from '#shared/media/avc.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import { decodeErrors, probe } from '../../support/av.ts';
import { FPS, markOf, type SentPicture } from '../../support/numbered-source.ts';

/** A picture that is met again only after so many is not the next one: the film has begun again. */
const SEARCH = 1_000;

/** As much is read at once: what comes before a damaged place counts. */
const READ_BYTES = 4_096;

/** The marks of the pictures of an FLV, in their order, up to where it is damaged. */
export function marksOf(flv: Uint8Array): string[] {
  const marks: string[] = [];
  const demuxer = new FlvDemuxer();
  try {
    for (let at = 0; at < flv.length; at += READ_BYTES) {
      for (const { type, body } of demuxer.readBytes(flv.subarray(at, at + READ_BYTES))) {
        const picture = type === 'video' ? parseVideoBody(body) : undefined;
        if (picture?.type === 'frame') marks.push(markOf(readAvcc(picture.data)));
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  return marks;
}

/** Which of the pictures that were sent are there, by their places; others, as stills, are not counted. */
export function heldOf(sent: readonly SentPicture[], marks: readonly string[]): Set<number> {
  const held = new Set<number>();
  let next = 0;
  for (const mark of marks) {
    const at = sent.slice(next, next + SEARCH).findIndex((picture) => picture.mark === mark);
    if (at < 0) continue;
    held.add(next + at);
    next += at + 1;
  }
  return held;
}

/** While the server ran, in ms since 1970: from when it could take media until it was killed. */
export interface Run {
  readonly fromMs: number;
  readonly killedMs: number;
}

/** What is missing of one run, in ms of media. */
export interface Lost {
  /** Between its first picture that is there and its last; before the first; and behind the last. */
  readonly withinMs: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** A run of which nothing is there lost its end. */
export function lossesOf(
  sent: readonly SentPicture[],
  held: ReadonlySet<number>,
  runs: readonly Run[],
): Lost[] {
  const ms = (pictures: number) => (pictures * 1_000) / FPS;
  return runs.map(({ fromMs, killedMs }) => {
    const isThere = sent.flatMap(({ atMs }, at) =>
      atMs >= fromMs && atMs <= killedMs ? [held.has(at)] : [],
    );
    const first = isThere.indexOf(true);
    const last = isThere.lastIndexOf(true);
    const within = first < 0 ? [] : isThere.slice(first, last + 1);
    return {
      withinMs: ms(within.filter((is) => !is).length),
      startMs: ms(Math.max(0, first)),
      endMs: ms(isThere.length - 1 - last),
    };
  });
}

/** What ffprobe and a full decode by ffmpeg say of a file or an address. */
export async function examine(input: string): Promise<{ durationMs: number; faults: string }> {
  try {
    const { durationS } = await probe(input);
    return { durationMs: durationS * 1_000, faults: await decodeErrors(input) };
  } catch (error) {
    return { durationMs: Number.NaN, faults: String(error) };
  }
}
