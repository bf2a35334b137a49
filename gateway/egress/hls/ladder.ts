// Cuts everything that a source sends into rows of segments: the picture in all its layers, and the
// sound. All layers are asked for a key frame together; the row ends at that of the leader, the best
// layer that flows, and every other layer begins the next row at its own.
import type { AudioFrame, Frame, SoundCodec, VideoFrame } from '#shared/media/frame.ts';
import type { LadderOptions, LadderSink, VideoTrack } from '../../channel/ports.ts';
import type { Recording } from '../../store/recording.ts';
import { AUDIO, STILL, type Segment } from '../../store/timeline.ts';
import { StillPicture } from '../still-picture.ts';
import {
  ASK_EVERY_US,
  GRACE_US,
  LEAST_TARGET_S,
  LIVING_US,
  longestUs,
  RowClock,
  SHORTEST_US,
  SOUND_GRACE_US,
  SOUND_HOLE_US,
  SOUND_LATE_US,
} from './boundary.ts';
import { Lane, leaderOf, shownFrom, type Finished, type VideoLane } from './lane.ts';
import { composeRow, planRow, YOUNG_US } from './row.ts';
import { knownConfig, silence } from '../silence.ts';

/** A step of the clock beyond this, in which neither sound nor picture came, is an interruption. */
const JUMP_US = 1_500_000;
const STEP_US = 100_000;

type Options = LadderOptions & Pick<LadderSink, 'sound'>;

export class Ladder implements LadderSink {
  readonly resumeAtUs: number;
  readonly sound: SoundCodec;
  readonly #options: Options;
  readonly #recording: Recording;
  readonly #onEnd: () => void;
  readonly #still = new StillPicture();
  readonly #counter: { next(): number };
  readonly #video = new Map<string, VideoLane>();
  readonly #audioLane: Lane;
  readonly #stillLane: Lane;
  /** Lanes whose segment was closed by the clock: they go on without a key frame. */
  readonly #continuing = new Set<Lane>();
  /** Complete segments of the present row. */
  readonly #done = new Map<string, Finished>();
  #row: RowClock | undefined;
  #epochMs = 0;
  #headUs = 0;
  #askedUs = -Infinity;
  /** The next row does not continue the one before. */
  #broken: boolean;
  #labels: readonly string[] = [];
  #audioConfig: AudioFrame['config'] | undefined;
  #ending: Promise<void> | undefined;

  /** `onEnd` is called once, when the broadcast is over. */
  constructor(options: Options, recording: Recording, onEnd: () => void = () => undefined) {
    this.#options = options;
    this.sound = options.sound;
    this.#onEnd = onEnd;
    this.#recording = recording;
    this.resumeAtUs = recording.timeline.endUs;
    this.#broken = recording.timeline.rows.length > 0;
    let fragments = 0;
    this.#counter = { next: () => (fragments += 1) };
    this.#audioLane = new Lane(AUDIO, 0, recording, this.#counter);
    this.#stillLane = new Lane(STILL, 0, recording, this.#counter);
  }

  get renditions(): number | undefined {
    return this.#recording.timeline.slotCount || undefined;
  }

  /** Those who were there before a restart were told of the least, if of none. */
  get #targetS(): number | undefined {
    return this.#recording.timeline.targetS ?? (this.resumeAtUs > 0 ? LEAST_TARGET_S : undefined);
  }

  tracks(tracks: readonly VideoTrack[]): void {
    const now = new Set(tracks.map((track) => track.id));
    for (const [id, entry] of this.#video) {
      if (now.has(id)) continue;
      entry.gone = true;
      if (entry.lane.segment === undefined) this.#video.delete(id);
    }
    this.#labels = tracks.map((track) => `${track.source}${track.layer}`);
  }

  video(track: VideoTrack, frame: VideoFrame, wallMs: number): void {
    if (this.#ending !== undefined) return;
    const row = this.#enter(frame, wallMs);
    const label = `${track.source}${track.layer}`;
    let entry = this.#video.get(track.id);
    if (entry === undefined) {
      entry = { lane: new Lane(label, track.layer, this.#recording, this.#counter), gone: false };
      this.#video.set(track.id, entry);
    }
    if (entry.lane.segment === undefined) this.#start(entry.lane, frame, row);
    else this.#continue(entry.lane, frame, row);
    if (entry.lane.segment !== undefined) this.#still.seen(frame);
    if (this.#headUs - this.#audioLane.endUs > SOUND_LATE_US) this.#fillSound(this.#headUs - SOUND_GRACE_US);
    this.#advance();
  }

  audio(frame: AudioFrame, wallMs: number): void {
    if (this.#ending !== undefined) return;
    this.#enter(frame, wallMs);
    // Sound that comes after its place was filled with silence has no place any more.
    if (frame.ptsUs < this.#audioLane.endUs - frame.durationUs / 2) return;
    if (frame.ptsUs - this.#audioLane.endUs > SOUND_HOLE_US) this.#fillSound(frame.ptsUs);
    this.#audioConfig = knownConfig(this.#audioConfig, frame.config);
    this.#sound(frame.config === this.#audioConfig ? frame : { ...frame, config: this.#audioConfig });
    // First, so that a still at a boundary goes into the row that begins there.
    this.#advance();
    for (const still of this.#still.due(this.#headUs)) this.#showStill(still);
  }

  interrupted(): void {
    this.#closeRows();
    this.#still.reset();
    this.#broken = this.#recording.timeline.rows.length > 0;
  }

  setBreak(on: boolean): void {
    this.#still.setBreak(on);
  }

  end(): Promise<void> {
    return (this.#ending ??= (() => {
      this.#closeRows();
      this.#onEnd();
      return this.#recording.end();
    })());
  }

  /** The row in which time now is. */
  #enter(frame: Frame, wallMs: number): RowClock {
    // Nothing at all came for a while: what was begun then is not continued now.
    if (this.#row !== undefined && frame.ptsUs - this.#headUs > JUMP_US) this.interrupted();
    // Time passes in small steps, so that rows end where they should though no frame came then.
    while (this.#row !== undefined && frame.ptsUs - this.#headUs > STEP_US) {
      this.#headUs += STEP_US;
      this.#advance();
    }
    this.#headUs = this.#row === undefined ? frame.ptsUs : Math.max(this.#headUs, frame.ptsUs);
    if (this.#row === undefined) {
      this.#epochMs = wallMs - frame.ptsUs / 1_000;
      this.#askedUs = -Infinity;
      this.#begin(frame.ptsUs);
      this.#audioLane.rest(frame.ptsUs);
    }
    return this.#row ?? this.#begin(frame.ptsUs);
  }

  #begin(startUs: number): RowClock {
    const { nextRow, rows } = this.#recording.timeline;
    this.#row = new RowClock(nextRow, startUs, rows.length === 0, longestUs(this.#targetS));
    return this.#row;
  }

  /** A lane that has no segment begins one, at a key frame and not in the middle of a row. */
  #start(lane: Lane, frame: VideoFrame, row: RowClock): void {
    const cuts = frame.key && row.isOpenToCut(frame.dtsUs);
    if (this.#continuing.delete(lane)) {
      if (cuts) return lane.begin(row.n + 1, frame, this.#epochMs);
      return lane.begin(row.n, shownFrom(frame, row.startUs), this.#epochMs);
    }
    if (!frame.key) {
      if (this.#headUs - this.#askedUs > ASK_EVERY_US) this.#ask();
      return;
    }
    const young = frame.dtsUs - row.startUs < YOUNG_US || row.n === 1;
    const alone = this.#leader() === undefined;
    const takesOver = alone && (!young || this.#hasPicture(row.n));
    if (cuts || takesOver || this.#isTaken(lane.label, row.n)) {
      // Nothing else shows a picture: it does not wait for the row to end by itself.
      if (alone) row.end(frame.dtsUs, 'key');
      if (this.#isTaken(lane.label, row.n + 1)) return;
      lane.begin(row.n + 1, frame, this.#epochMs);
    } else if (young) {
      lane.begin(row.n, frame, this.#epochMs);
    }
  }

  /** The next frame of a lane that has a segment: it goes there, or begins the segment of the next row. */
  #continue(lane: Lane, frame: VideoFrame, row: RowClock): void {
    const segment = lane.segment;
    if (segment === undefined) return;
    const changed = segment.config !== frame.config;
    if (segment.n > row.n) {
      if (!changed) return lane.add(frame);
      // The picture changed again before this row was complete: it is now.
      this.#complete(row, segment.startUs);
      return this.#continue(lane, frame, this.#row ?? row);
    }
    const mustCut = row.mustCut(frame.dtsUs, segment.startUs);
    if (!changed && !mustCut && !(frame.key && row.isOpenToCut(frame.dtsUs))) return lane.add(frame);
    const longest = longestUs(this.#targetS);
    if (changed || frame.dtsUs - segment.startUs >= longest) row.end(frame.dtsUs, 'key');
    const cutUs = Math.min(frame.dtsUs, segment.startUs + longest);
    this.#done.set(lane.label, lane.finish(cutUs));
    lane.begin(row.n + 1, shownFrom(frame, cutUs), this.#epochMs);
  }

  #sound(frame: AudioFrame): void {
    const row = this.#row ?? this.#begin(frame.ptsUs);
    const lane = this.#audioLane;
    const segment = lane.segment;
    if (segment === undefined) return lane.begin(row.n, frame, this.#epochMs);
    const changed = segment.config !== frame.config;
    if (segment.n > row.n) {
      if (!changed) return lane.add(frame);
      this.#complete(row, segment.startUs);
      return this.#sound(frame);
    }
    // What the picture shows already belongs to this row: sound of another kind begins behind it.
    if (changed) row.end(Math.max(frame.ptsUs, this.#headUs), 'clock');
    else if (frame.ptsUs - segment.startUs >= longestUs(this.#targetS)) row.end(frame.ptsUs, 'clock');
    // Half a millisecond, for boundaries that are the start of this very frame but for rounding.
    const isBeyond = row.boundary !== undefined && frame.ptsUs >= row.boundary.atUs - 500;
    if (!isBeyond) {
      if (!changed) lane.add(frame);
      return;
    }
    this.#done.set(lane.label, lane.finish(frame.ptsUs));
    lane.begin(row.n + 1, frame, this.#epochMs);
  }

  #fillSound(untilUs: number): void {
    for (const frame of this.#silence(untilUs)) this.#sound(frame);
  }

  /** Silence from where the sound ends; if it is the first sound, what comes is compared with it. */
  #silence(untilUs: number): AudioFrame[] {
    const frames = silence(this.#audioLane.endUs, untilUs, this.#audioConfig, this.sound);
    this.#audioConfig ??= frames[0]?.config;
    return frames;
  }

  #showStill(frame: VideoFrame): void {
    const row = this.#row ?? this.#begin(frame.ptsUs);
    const { segment } = this.#stillLane;
    // The next row begins with a still of its own.
    if (row.boundary !== undefined && frame.ptsUs >= row.boundary.atUs) return;
    if (segment === undefined) {
      const first = this.#hasPicture(row.n) ? frame : this.#still.at(row.startUs);
      this.#stillLane.begin(row.n, first, this.#epochMs);
      if (first.ptsUs < frame.ptsUs && first.config === frame.config) this.#stillLane.add(frame);
    } else if (segment.config === frame.config) this.#stillLane.add(frame);
    else row.end(frame.ptsUs, 'clock');
  }

  #leader(): Lane | undefined {
    return leaderOf(this.#video.values(), this.#headUs);
  }

  /** True if a camera or a screen gave anything to row `n`. */
  #hasPicture(n: number): boolean {
    if ([...this.#done.keys()].some((label) => label !== AUDIO)) return true;
    return [...this.#video.values()].some(({ lane }) => lane.segment?.n === n);
  }

  #isTaken(label: string, n: number): boolean {
    if (n === this.#row?.n && this.#done.has(label)) return true;
    return [...this.#video.values()].some(({ lane }) => lane.label === label && lane.segment?.n === n);
  }

  #ask(): void {
    this.#askedUs = this.#headUs;
    this.#options.requestKeyframes();
  }

  /** Looks whether the row ends, and whether everything that belongs to it is there. */
  #advance(): void {
    const row = this.#row;
    if (row === undefined) return;
    for (const { lane } of this.#video.values()) lane.advance(this.#headUs);
    this.#plan(row);
    const leader = this.#leader();
    if (leader?.segment !== undefined && leader.segment.n > row.n) row.end(leader.segment.startUs, 'key');
    if (row.advance(this.#headUs, leader !== undefined, this.#isStale(leader))) this.#ask();
    const { boundary } = row;
    if (boundary === undefined) return;
    const waitedUs = this.#headUs - boundary.atUs;
    const isBehind = ({ lane, gone }: VideoLane) =>
      !gone && lane.segment?.n === row.n && this.#headUs - lane.lastUs <= LIVING_US;
    const pictureDue = waitedUs < GRACE_US && [...this.#video.values()].some(isBehind);
    const soundDue = waitedUs < SOUND_GRACE_US && (this.#audioLane.segment?.n ?? row.n) === row.n;
    if (!pictureDue && !soundDue) this.#complete(row, boundary.atUs);
  }

  /** Says what the row will be, as soon as that can be said: from then on its parts are public. */
  #plan(row: RowClock): void {
    if (this.#recording.edge.plan !== undefined) return;
    const done = [...this.#done].map(([label, { segment, key }]) => [label, { ...segment, key }] as const);
    const begun = new Map<string, Pick<Segment, 'init' | 'startUs'> & { key: boolean }>(done);
    const open = [...this.#video.values()].map(({ lane }) => lane);
    for (const { label, segment } of [...open, this.#audioLane, this.#stillLane]) {
      if (segment?.n === row.n) begun.set(label, segment);
    }
    const isLate = this.#headUs - row.startUs > YOUNG_US;
    const plan = planRow(this.#partsOf(row), begun, isLate);
    if (plan !== undefined) this.#recording.decide(plan);
  }

  #partsOf({ n, startUs }: RowClock) {
    const previous = this.#recording.timeline.rows.at(-1);
    return { n, epochMs: this.#epochMs, startUs, labels: this.#labels, broken: this.#broken, previous };
  }

  /** True if the best picture that the row shows has died while another flows. */
  #isStale(leader: Lane | undefined): boolean {
    const shown = this.#recording.edge.plan?.slots.at(-1);
    if (leader === undefined || shown === undefined || shown === STILL) return false;
    const lane = [...this.#video.values()].find(({ lane: one }) => one.label === shown)?.lane;
    return lane !== undefined && lane !== leader && this.#headUs - lane.lastUs > LIVING_US;
  }

  /** Completes the row at `atUs` and begins the next. */
  #complete(row: RowClock, atUs: number): void {
    for (const [id, { lane, gone }] of this.#video) {
      if (lane.segment?.n === row.n) {
        this.#done.set(lane.label, lane.finish(atUs));
        if (!gone && this.#headUs - lane.lastUs <= LIVING_US) this.#continuing.add(lane);
      }
      if (gone && lane.segment === undefined) this.#video.delete(id);
    }
    this.#completeSound(row, atUs);
    this.#completeStill(row, atUs);
    const composed = composeRow({
      ...this.#partsOf(row),
      endUs: atUs,
      done: this.#done,
      plan: this.#recording.edge.plan,
      isCut: row.boundary?.by === 'key',
      firstUs: this.#recording.timeline.rows[0]?.segments[AUDIO]?.startUs ?? row.startUs,
      targetS: this.#targetS,
    });
    for (const label of this.#done.keys()) {
      if (composed.segments[label] === undefined) this.#recording.drop(row.n, label);
    }
    this.#done.clear();
    this.#recording.commit(composed);
    this.#broken = false;
    this.#begin(atUs);
    if (this.#still.isShowing) this.#showStill(this.#still.at(atUs));
  }

  #completeSound(row: RowClock, atUs: number): void {
    if ((this.#audioLane.segment?.n ?? row.n) > row.n) return;
    const lane = this.#audioLane;
    // However short the row, it has sound.
    const leastUs = lane.segment === undefined ? lane.endUs + SOUND_HOLE_US : 0;
    for (const frame of this.#silence(Math.max(atUs, leastUs))) {
      if (lane.segment === undefined) lane.begin(row.n, frame, this.#epochMs);
      else lane.add(frame);
    }
    this.#done.set(AUDIO, lane.finish(lane.endUs));
  }

  /** A row in which nothing moved shows the still picture. */
  #completeStill(row: RowClock, atUs: number): void {
    const lane = this.#stillLane;
    if (lane.segment === undefined && !this.#hasPicture(row.n)) {
      lane.begin(row.n, this.#still.at(row.startUs), this.#epochMs);
    }
    if (lane.segment !== undefined) this.#done.set(STILL, lane.finish(atUs));
  }

  /** Closes what is begun, because the source is gone. */
  #closeRows(): void {
    for (;;) {
      const row = this.#row;
      if (row === undefined) break;
      const lanes = [...this.#video.values()].map((entry) => entry.lane);
      const open = [...lanes, this.#audioLane].filter((lane) => lane.segment !== undefined);
      const endUs = Math.max(row.startUs, ...open.map((lane) => lane.endUs));
      const atUs = Math.min(row.boundary?.atUs ?? endUs, endUs);
      // What viewers were told of stays, however short.
      const isTold = this.#recording.edge.plan !== undefined;
      if (!isTold && (open.length === 0 || endUs - row.startUs < SHORTEST_US)) {
        for (const lane of [...open, this.#stillLane]) {
          if (lane.segment !== undefined) this.#recording.drop(lane.segment.n, lane.label);
          lane.discard();
        }
        for (const label of this.#done.keys()) this.#recording.drop(row.n, label);
        this.#done.clear();
        break;
      }
      for (const entry of this.#video.values()) entry.gone = true;
      this.#complete(row, atUs);
    }
    this.#row = undefined;
    this.#video.clear();
    this.#continuing.clear();
  }
}
