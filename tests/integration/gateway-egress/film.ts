// A class on film: ffmpeg draws a white flash with a beep every two seconds, in three sizes, and the tests
// feed its frames to the outputs as the channel would.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FlvDemuxer, parseAudioBody, parseVideoBody, videoFrameFromBody } from '#shared/media/flv.ts';
import type { AudioConfig, AudioFrame, AvcConfig, Frame, VideoFrame } from '#shared/media/frame.ts';
import { audioFrameFromBody } from '../../support/flv-frames.ts';

const run = promisify(execFile);
const SIZES = ['320x180', '640x360', '1280x720'] as const;

export interface Film {
  /** One for each layer, smallest first. */
  readonly layers: readonly (readonly VideoFrame[])[];
  readonly audio: readonly AudioFrame[];
}

/** Shoots `seconds` of film at 25 pictures a second with a key frame every 200 ms; `scene` is ffmpeg's picture of a size. */
export async function shoot(seconds: number, layers = 3, scene = flashes): Promise<Film> {
  const dir = await mkdtemp(join(tmpdir(), 'lectern-film-'));
  try {
    const films = await Promise.all(
      SIZES.slice(0, layers).map(async (size, layer) => {
        const path = join(dir, `${layer}.flv`);
        await run('ffmpeg', [
          '-v',
          'error',
          ...['-f', 'lavfi', '-i', scene(size)],
          ...sound(),
          ...coding(layer),
          '-t',
          `${seconds}`,
          path,
        ]);
        return demux(await readFile(path));
      }),
    );
    return {
      layers: films.map((frames) => frames.filter((frame) => frame.kind === 'video')),
      audio: films
        .flatMap((frames, layer) => (layer === 0 ? frames : []))
        .filter((frame) => frame.kind === 'audio'),
    };
  } finally {
    await rm(dir, { recursive: true });
  }
}

const flashes = (size: string) =>
  `color=black:s=${size}:r=25,noise=alls=12:allf=t,drawbox=t=fill:c=white:enable='lt(mod(t,2),0.12)'`;
const sound = () => [
  '-f',
  'lavfi',
  '-i',
  "aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,2),0.12)':s=48000:c=stereo",
];
const coding = (layer: number) => [
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline'],
  ...['-b:v', `${200 * 3 ** layer}k`, '-g', '5', '-keyint_min', '5', '-c:a', 'aac', '-b:a', '96k'],
];

function demux(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  let video: AvcConfig | undefined;
  let audio: AudioConfig | undefined;
  for (const tag of new FlvDemuxer().readBytes(bytes)) {
    const us = tag.timestampMs * 1_000;
    if (tag.type === 'video') {
      const body = parseVideoBody(tag.body);
      if (body.type === 'config') video = body.config;
      const frame = body.type === 'frame' && video ? videoFrameFromBody(body, video, us) : null;
      if (frame) frames.push(frame);
    } else if (tag.type === 'audio') {
      const body = parseAudioBody(tag.body);
      if (body.type === 'config') audio = body.config;
      if (body.type === 'frame' && audio) frames.push(audioFrameFromBody(body, audio, us));
    }
  }
  return frames;
}

/** A frame of the film with its layer; -1 is the sound. */
export interface Shot {
  readonly layer: number;
  readonly frame: Frame;
  readonly atUs: number;
}

/** All frames in the order of time, moved by `shiftUs`. */
export function shots(film: Film, shiftUs = 0): Shot[] {
  const all = [
    ...film.layers.flatMap((frames, layer) => frames.map((frame) => ({ layer, frame }))),
    ...film.audio.map((frame) => ({ layer: -1, frame })),
  ];
  return all
    .map(({ layer, frame }) => ({ layer, atUs: frame.ptsUs + shiftUs, frame: moved(frame, shiftUs) }))
    .sort((a, b) => a.atUs - b.atUs);
}

function moved(frame: Frame, byUs: number): Frame {
  return frame.kind === 'video'
    ? { ...frame, ptsUs: frame.ptsUs + byUs, dtsUs: frame.dtsUs + byUs }
    : { ...frame, ptsUs: frame.ptsUs + byUs };
}
