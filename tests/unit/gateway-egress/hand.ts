// Frames, a recording and a ladder in the hand of a test: time passes when the test says so.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aacConfig } from '#shared/media/aac.ts';
import type { AudioFrame, AvcConfig, VideoFrame } from '#shared/media/frame.ts';
import { soundConfig } from '../../support/sound-config.ts';
import type { VideoTrack } from '../../../gateway/channel/ports.ts';
import { Ladder } from '../../../gateway/hls/ladder.ts';
import { Continuity } from '../../../gateway/channel/continuity.ts';
import { blackFrame, StillPicture } from '../../../gateway/channel/still-picture.ts';
import { SegmentLog } from '../../../gateway/store/segment-log.ts';
import { SegmentTimeline, type Row } from '../../../gateway/store/segment-timeline.ts';

export const FRAME_US = 40_000;
const AUDIO = aacConfig(48_000, 2);
export const AUDIO_US = (1024 * 1e6) / 48_000;

const sizes = [
  [320, 180],
  [640, 360],
  [1280, 720],
] as const;
const configs = new Map<string, AvcConfig>();

/** The configuration of a layer; `size` scales it down, as a browser does under load. */
export function configOf(layer: number, scale = 1): AvcConfig {
  const key = `${layer}/${scale}`;
  let config = configs.get(key);
  if (config === undefined) {
    const [width, height] = sizes[layer]!;
    config = blackFrame(width / scale, height / scale).config;
    configs.set(key, config);
  }
  return config;
}

export function picture(ptsUs: number, key: boolean, config: AvcConfig, bytes = 400): VideoFrame {
  return { kind: 'video', ptsUs, dtsUs: ptsUs, key, data: new Uint8Array(bytes), config };
}

export function sound(ptsUs: number, config = AUDIO): AudioFrame {
  return { kind: 'audio', ptsUs, durationUs: AUDIO_US, data: new Uint8Array(40), config };
}

/** A source of one camera or screen, that answers requests for key frames. */
export interface Camera {
  readonly tracks: VideoTrack[];
  /** Layers that send now. */
  readonly alive: Set<number>;
  /** How many frames later than asked each layer's key frame comes. */
  readonly delay: Map<number, number>;
  /** Of each layer; changes take effect with the next key frame. */
  readonly scale: Map<number, number>;
  frame(layer: number): VideoFrame;
  askKey(): void;
  atUs: number;
}

export function camera(layers: number, source: 'camera' | 'screen' = 'camera', id: string = source): Camera {
  const due = new Map<number, number>(Array.from({ length: layers }, (_, layer) => [layer, 0]));
  const used = new Map<number, AvcConfig>();
  const made: Camera = {
    tracks: Array.from({ length: layers }, (_, layer) => ({ id: `${id}:${layer}`, layer, source })),
    alive: new Set(Array.from({ length: layers }, (_, layer) => layer)),
    delay: new Map(),
    scale: new Map(),
    atUs: 0,
    askKey() {
      for (let layer = 0; layer < layers; layer += 1) {
        if (!due.has(layer)) due.set(layer, made.delay.get(layer) ?? 1);
      }
    },
    frame(layer) {
      const left = due.get(layer);
      const key = left === 0;
      if (key) due.delete(layer);
      else if (left !== undefined) due.set(layer, left - 1);
      const wanted = configOf(layer, made.scale.get(layer) ?? 1);
      if (key) used.set(layer, wanted);
      return picture(made.atUs, key, used.get(layer) ?? wanted, 400 * 3 ** layer);
    },
  };
  return made;
}

/** A generator of numbers below 1 that are the same in every run (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Without anything for so long a broadcast is interrupted. */
const GAP_US = 1_500_000;

export class Hand {
  readonly dir: string;
  readonly recording: SegmentLog;
  readonly ladder: Ladder;
  readonly #still = new StillPicture();
  readonly #continuity: Continuity;
  keyRequests = 0;
  nowUs = 0;
  source: Camera | undefined;
  hasSound = true;
  /** For how long anything came. */
  flowedUs = 0;
  #audioUs = 0;
  /** When anything came last; Infinity once that it ended was told. */
  #flowedAtUs = 0;

  constructor(source: Camera | undefined, timeline = new SegmentTimeline(), dir?: string) {
    this.dir = dir ?? mkdtempSync(join(tmpdir(), 'lectern-hand-'));
    const file = { id: 'broadcast1', lesson: 'lesson1234', channel: 'channel123', title: 'A class' } as const;
    const rest = { startedAtMs: 0, endedAtMs: null, durationMs: 0, bytes: 0, reason: null } as const;
    this.recording = new SegmentLog(this.dir, { ...file, ...rest, state: 'armed' }, timeline);
    // What is taken up after a restart has its folder.
    if (dir === undefined) this.recording.create();
    this.ladder = new Ladder(
      {
        audioCodec: 'aac',
        info: { broadcast: file.id, lesson: file.lesson, channel: file.channel, title: file.title },
        stills: this.#still,
        audioConfig: () => soundConfig('aac'),
        requestKeyframes: () => {
          this.keyRequests += 1;
          this.source?.askKey();
        },
        onRecording: () => undefined,
        onTrouble: (trouble) => assertNever(trouble),
      },
      this.recording,
    );
    this.#continuity = new Continuity({
      audioConfig: soundConfig,
      still: this.#still,
      programme: { writeFrame: () => undefined },
      ladder: this.ladder,
      wallMs: (ptsUs) => 1e12 + ptsUs / 1_000,
      requestKeyframe: () => undefined,
    });
    this.nowUs = this.ladder.resumeAtUs;
    this.#audioUs = this.nowUs;
    this.use(source);
  }

  get rows(): readonly Row[] {
    return this.recording.timeline.rows;
  }

  /** The source changes: the camera is turned off, the screen is shared. */
  use(source: Camera | undefined): void {
    this.source = source;
    this.ladder.setTracks(source?.tracks ?? []);
  }

  /** The source is gone. */
  interrupted(): void {
    this.#continuity.interrupt();
    this.ladder.interrupt();
  }

  /** Lets time pass. */
  run(seconds: number): void {
    const endUs = this.nowUs + seconds * 1e6;
    for (; this.nowUs < endUs - 1; this.nowUs += FRAME_US) {
      for (; this.#audioUs <= this.nowUs; this.#audioUs += AUDIO_US) {
        if (this.hasSound) this.#continuity.placeAudio(sound(this.#audioUs));
      }
      const source = this.source;
      if (this.hasSound || (source?.alive.size ?? 0) > 0) {
        this.flowedUs += FRAME_US;
        this.#flowedAtUs = this.nowUs;
      } else if (this.nowUs - this.#flowedAtUs > GAP_US) {
        // As the broadcast says it.
        this.interrupted();
        this.#flowedAtUs = Infinity;
      }
      if (source === undefined) continue;
      source.atUs = this.nowUs;
      const best = Math.max(...source.alive);
      for (const track of source.tracks) {
        if (!source.alive.has(track.layer)) continue;
        const frame = source.frame(track.layer);
        this.ladder.writeVideo(track, frame, 1e12 + this.nowUs / 1_000);
        if (track.layer === best) this.#continuity.placeVideo(frame);
      }
    }
  }

  async close(): Promise<void> {
    await this.ladder.end();
    rmSync(this.dir, { recursive: true });
  }
}

/** Does `story` with `hand`, and closes it. */
export async function withHand(hand: Hand, story: (hand: Hand) => void | Promise<void>): Promise<void> {
  try {
    await story(hand);
  } finally {
    await hand.close();
  }
}

function assertNever(error: unknown): never {
  throw error;
}
