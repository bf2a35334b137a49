// Cuts everything that a source sends into rows of segments: the picture in all its layers, and the
// sound. All layers are asked for a key frame together; the row ends at that of the leader, the best
// layer that flows, and every other layer begins the next row at its own.
import type { AudioFrame, Frame, AudioCodec, VideoFrame } from '#shared/media/frame.ts';
import { ASK_EVERY_US, QUIET_US, AUDIO_HOLE_US } from '../channel/limits.ts';
import type { LadderOptions, LadderSink, Stills, VideoTrack } from '../channel/ports.ts';
import type { SegmentLog } from '../store/segment-log.ts';
import { YOUNG_US, type Segment } from '../store/segment-timeline.ts';
import { GRACE_US, MIN_TARGET_S, longestUs, RowClock, SHORTEST_US, AUDIO_GRACE_US } from './boundary.ts';
import { TrackWriter, leaderOf, shownFrom, type Finished, type VideoWriter } from './track-writer.ts';
import { AUDIO, formatRenditionId, STILL, type RenditionId } from './rendition-id.ts';
import { composeRow, joinUs, planRow } from './row.ts';
import { knownConfig, silence } from '../channel/silence.ts';

/** A step of the clock beyond this, in which neither sound nor picture came, continues nothing. */
const JUMP_US = 10_000_000;
const STEP_US = 100_000;

type Options = LadderOptions & Pick<LadderSink, 'audioCodec'>;

export class Ladder implements LadderSink {
  readonly resumeAtUs: number;
  readonly audioCodec: AudioCodec;
  readonly #options: Options;
  readonly #recording: SegmentLog;
  readonly #onEnd: () => void;
  readonly #stills: Stills;
  readonly #counter: { next(): number };
  readonly #video = new Map<string, VideoWriter>();
  readonly #audioWriter: TrackWriter;
  readonly #stillWriter: TrackWriter;
  /** Lanes whose segment was closed by the clock: they go on without a key frame. */
  readonly #continuing = new Set<TrackWriter>();
  /** Complete segments of the present row. */
  readonly #done = new Map<RenditionId, Finished>();
  #row: RowClock | undefined;
  #epochMs = 0;
  #headUs = 0;
  #askedUs = -Infinity;
  /** The next row does not continue the one before. */
  #broken: boolean;
  #labels: readonly RenditionId[] = [];
  #audioConfig: AudioFrame['config'] | undefined;
  #ending: Promise<void> | undefined;

  /** `onEnd` is called once, when the broadcast is over. */
  constructor(options: Options, recording: SegmentLog, onEnd: () => void = () => undefined) {
    this.#options = options;
    this.#stills = options.stills;
    this.audioCodec = options.audioCodec;
    this.#onEnd = onEnd;
    this.#recording = recording;
    this.resumeAtUs = recording.timeline.endUs;
    this.#broken = recording.timeline.rows.length > 0;
    let fragments = 0;
    this.#counter = { next: () => (fragments += 1) };
    this.#audioWriter = new TrackWriter(AUDIO, 0, recording, this.#counter);
    this.#stillWriter = new TrackWriter(STILL, 0, recording, this.#counter);
  }

  get renditions(): number | undefined {
    return this.#recording.timeline.slotCount || undefined;
  }

  get recordedMs(): number {
    return this.#recording.timeline.durationMs;
  }

  /** Those who were there before a restart were told of the least, if of none. */
  get #targetS(): number | undefined {
    return this.#recording.timeline.targetS ?? (this.resumeAtUs > 0 ? MIN_TARGET_S : undefined);
  }

  setTracks(tracks: readonly VideoTrack[]): void {
    const now = new Set(tracks.map((track) => track.id));
    for (const [id, entry] of this.#video) {
      if (now.has(id)) continue;
      entry.gone = true;
      if (entry.writer.segment === undefined) this.#video.delete(id);
    }
    this.#labels = tracks.map(formatRenditionId);
  }

  writeVideo(track: VideoTrack, frame: VideoFrame, wallMs: number): void {
    if (this.#ending !== undefined) return;
    const row = this.#enter(frame, wallMs);
    let entry = this.#video.get(track.id);
    if (entry === undefined) {
      const label = formatRenditionId(track);
      entry = { writer: new TrackWriter(label, track.layer, this.#recording, this.#counter), gone: false };
      this.#video.set(track.id, entry);
    }
    if (entry.writer.segment === undefined) this.#start(entry.writer, frame, row);
    else this.#continue(entry.writer, frame, row);
    this.#advance();
  }

  writeAudio(frame: AudioFrame, wallMs: number): void {
    if (this.#ending !== undefined) return;
    this.#enter(frame, wallMs);
    // Sound that comes after its place was filled with silence has no place any more.
    if (frame.ptsUs < this.#audioWriter.endUs - frame.durationUs / 2) return;
    this.#audioConfig = knownConfig(this.#audioConfig, frame.config);
    this.#writeAudio(frame.config === this.#audioConfig ? frame : { ...frame, config: this.#audioConfig });
    this.#advance();
  }

  writeStill(frame: VideoFrame): void {
    if (this.#ending === undefined) this.#showStill(frame);
  }

  record(isOn: boolean, sinceMs: number): void {
    if (!this.#recording.record(isOn, sinceMs) || this.#row === undefined) return;
    // The key frame is asked for now, when what is drawn now is still on its way.
    if (isOn && this.#row.advance(this.#headUs, this.#leader() !== undefined, true)) this.#ask();
    this.#advance();
  }

  interrupt(): void {
    this.#closeRows();
    this.#broken = this.#recording.timeline.rows.length > 0;
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
    if (this.#row !== undefined && frame.ptsUs - this.#headUs > JUMP_US) this.interrupt();
    // Time passes in small steps, so that rows end where they should though no frame came then.
    while (this.#row !== undefined && frame.ptsUs - this.#headUs > STEP_US) {
      this.#headUs += STEP_US;
      this.#advance();
    }
    this.#headUs = this.#row === undefined ? frame.ptsUs : Math.max(this.#headUs, frame.ptsUs);
    if (this.#row === undefined) {
      this.#epochMs = wallMs - frame.ptsUs / 1_000;
      this.#askedUs = -Infinity;
      this.#begin(joinUs(frame.ptsUs, this.#recording.timeline.rows.at(-1)));
      this.#audioWriter.rest(frame.ptsUs);
    }
    return this.#row ?? this.#begin(frame.ptsUs);
  }

  #begin(startUs: number): RowClock {
    const { nextRow, rows } = this.#recording.timeline;
    this.#row = new RowClock(nextRow, startUs, rows.length === 0, longestUs(this.#targetS));
    return this.#row;
  }

  /** A writer that has no segment begins one, at a key frame and not in the middle of a row. */
  #start(writer: TrackWriter, frame: VideoFrame, row: RowClock): void {
    const cuts = frame.key && row.isOpenToCut(frame.dtsUs);
    if (this.#continuing.delete(writer)) {
      if (cuts) return writer.begin(row.n + 1, frame, this.#epochMs);
      return writer.begin(row.n, shownFrom(frame, row.startUs), this.#epochMs);
    }
    if (!frame.key) {
      if (this.#headUs - this.#askedUs > ASK_EVERY_US) this.#ask();
      return;
    }
    const whole = frame.dtsUs - row.startUs < YOUNG_US;
    const young = whole || row.n === 1;
    const alone = this.#leader() === undefined;
    const takesOver = alone && (!young || this.#hasVideo(row.n));
    if (cuts || takesOver || this.#isTaken(writer.label, row.n)) {
      // Nothing else shows a picture: it does not wait for the row to end by itself.
      if (alone) row.end(frame.dtsUs, 'key');
      if (this.#isTaken(writer.label, row.n + 1)) return;
      // The end of the row may have been decided before: nothing else shows what comes between.
      const startUs = alone ? (row.boundary?.atUs ?? frame.dtsUs) : frame.dtsUs;
      writer.begin(row.n + 1, shownFrom(frame, startUs), this.#epochMs);
    } else if (young) {
      // Back after an interruption: from the start of the row, or there would be a hole in front of it.
      writer.begin(row.n, whole ? shownFrom(frame, row.startUs) : frame, this.#epochMs);
    }
  }

  /** The next frame of a writer that has a segment: it goes there, or begins the segment of the next row. */
  #continue(writer: TrackWriter, frame: VideoFrame, row: RowClock): void {
    const segment = writer.segment;
    if (segment === undefined) return;
    const changed = segment.config !== frame.config;
    if (segment.n > row.n) {
      if (!changed) return writer.appendFrame(frame);
      // The picture changed again before this row was complete: it is now.
      this.#complete(row, segment.startUs);
      return this.#continue(writer, frame, this.#row ?? row);
    }
    const mustCut = row.mustCut(frame.dtsUs, segment.startUs);
    if (!changed && !mustCut && !(frame.key && row.isOpenToCut(frame.dtsUs)))
      return writer.appendFrame(frame);
    const longest = longestUs(this.#targetS);
    if (changed || frame.dtsUs - segment.startUs >= longest) row.end(frame.dtsUs, 'key');
    const cutUs = Math.min(frame.dtsUs, segment.startUs + longest);
    this.#done.set(writer.label, writer.finish(cutUs));
    writer.begin(row.n + 1, shownFrom(frame, cutUs), this.#epochMs);
  }

  #writeAudio(frame: AudioFrame): void {
    const row = this.#row ?? this.#begin(frame.ptsUs);
    const writer = this.#audioWriter;
    const segment = writer.segment;
    if (segment === undefined) return writer.begin(row.n, frame, this.#epochMs);
    const changed = segment.config !== frame.config;
    if (segment.n > row.n) {
      if (!changed) return writer.appendFrame(frame);
      this.#complete(row, segment.startUs);
      return this.#writeAudio(frame);
    }
    // What the picture shows already belongs to this row: sound of another kind begins behind it.
    if (changed) row.end(Math.max(frame.ptsUs, this.#headUs), 'clock');
    else if (frame.ptsUs - segment.startUs >= longestUs(this.#targetS)) row.end(frame.ptsUs, 'clock');
    // Half a millisecond, for boundaries that are the start of this very frame but for rounding.
    const isBeyond = row.boundary !== undefined && frame.ptsUs >= row.boundary.atUs - 500;
    if (!isBeyond) return changed ? undefined : writer.appendFrame(frame);
    this.#done.set(writer.label, writer.finish(frame.ptsUs));
    writer.begin(row.n + 1, frame, this.#epochMs);
  }

  /** Silence from where the sound ends. */
  #silence(untilUs: number): AudioFrame[] {
    this.#audioConfig ??= this.#options.audioConfig();
    return silence(this.#audioWriter.endUs, untilUs, this.#audioConfig);
  }

  #showStill(frame: VideoFrame): void {
    const row = this.#row ?? this.#begin(frame.ptsUs);
    const { segment } = this.#stillWriter;
    // The next row begins with a still of its own.
    if (row.boundary !== undefined && frame.ptsUs >= row.boundary.atUs) return;
    if (segment === undefined) {
      const first = this.#hasVideo(row.n) ? frame : this.#stills.at(row.startUs);
      this.#stillWriter.begin(row.n, first, this.#epochMs);
      if (first.ptsUs < frame.ptsUs && first.config === frame.config) this.#stillWriter.appendFrame(frame);
    } else if (segment.config === frame.config) this.#stillWriter.appendFrame(frame);
    else row.end(frame.ptsUs, 'clock');
  }

  #leader(): TrackWriter | undefined {
    return leaderOf(this.#video.values(), this.#headUs);
  }

  /** True if a camera or a screen gave anything to row `n`. */
  #hasVideo(n: number): boolean {
    if ([...this.#done.keys()].some((label) => label !== AUDIO)) return true;
    return [...this.#video.values()].some(({ writer }) => writer.segment?.n === n);
  }

  #isTaken(label: RenditionId, n: number): boolean {
    if (n === this.#row?.n && this.#done.has(label)) return true;
    return [...this.#video.values()].some(({ writer }) => writer.label === label && writer.segment?.n === n);
  }

  #ask(): void {
    this.#askedUs = this.#headUs;
    this.#options.requestKeyframes();
  }

  /** Whether the row ends, and whether everything that belongs to it is there. */
  #advance(): void {
    const row = this.#row;
    if (row === undefined) return;
    for (const { writer } of this.#video.values()) writer.advance(this.#headUs);
    this.#plan(row);
    const leader = this.#leader();
    if (leader?.segment !== undefined && leader.segment.n > row.n) row.end(leader.segment.startUs, 'key');
    const isRecorded = this.#recording.isRecorded(row.n);
    const turns = isRecorded !== this.#recording.isWanted(this.#headMs);
    // A pause begins here, or where the row's end was decided already; what is recorded again begins with a key frame.
    if (turns && isRecorded && row.boundary !== undefined) this.#recording.leaveOutAfter(row.n);
    if (turns && (isRecorded || leader === undefined)) row.end(this.#headUs, 'clock');
    if (row.advance(this.#headUs, leader !== undefined, turns || this.#isStale(leader))) this.#ask();
    const { boundary } = row;
    if (boundary === undefined) return;
    const waitedUs = this.#headUs - boundary.atUs;
    const isBehind = ({ writer, gone }: VideoWriter) =>
      !gone && writer.segment?.n === row.n && this.#headUs - writer.lastUs <= QUIET_US;
    const videoDue = waitedUs < GRACE_US && [...this.#video.values()].some(isBehind);
    const audioDue = waitedUs < AUDIO_GRACE_US && (this.#audioWriter.segment?.n ?? row.n) === row.n;
    if (!videoDue && !audioDue) this.#complete(row, boundary.atUs);
  }

  /** Says what the row will be, as soon as that can be said: from then on its parts are public. */
  #plan(row: RowClock): void {
    if (this.#recording.edge.plan !== undefined) return;
    const done = [...this.#done].map(([label, { segment, key }]) => [label, { ...segment, key }] as const);
    const begun = new Map<RenditionId, Pick<Segment, 'init' | 'startUs'> & { key: boolean }>(done);
    const open = [...this.#video.values()].map(({ writer }) => writer);
    for (const { label, segment } of [...open, this.#audioWriter, this.#stillWriter]) {
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

  /** The present, in ms since 1970. */
  get #headMs(): number {
    return this.#epochMs + this.#headUs / 1_000;
  }

  /** True if the best picture that the row shows has died while another flows. */
  #isStale(leader: TrackWriter | undefined): boolean {
    const shown = this.#recording.edge.plan?.slots.at(-1);
    if (leader === undefined || shown === undefined || shown === STILL) return false;
    const writer = [...this.#video.values()].find(({ writer: one }) => one.label === shown)?.writer;
    return writer !== undefined && writer !== leader && this.#headUs - writer.lastUs > QUIET_US;
  }

  /** Completes the row at `atUs` and begins the next. */
  #complete(row: RowClock, atUs: number): void {
    for (const [id, { writer, gone }] of this.#video) {
      if (writer.segment?.n === row.n) {
        this.#done.set(writer.label, writer.finish(atUs));
        if (!gone && this.#headUs - writer.lastUs <= QUIET_US) this.#continuing.add(writer);
      }
      if (gone && writer.segment === undefined) this.#video.delete(id);
    }
    this.#completeAudio(row, atUs);
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
    if (this.#stills.isShowing) this.#showStill(this.#stills.at(atUs));
  }

  #completeAudio(row: RowClock, atUs: number): void {
    if ((this.#audioWriter.segment?.n ?? row.n) > row.n) return;
    const writer = this.#audioWriter;
    // However short the row, it has sound.
    const leastUs = writer.segment === undefined ? writer.endUs + AUDIO_HOLE_US : 0;
    for (const frame of this.#silence(Math.max(atUs, leastUs))) {
      if (writer.segment === undefined) writer.begin(row.n, frame, this.#epochMs);
      else writer.appendFrame(frame);
    }
    this.#done.set(AUDIO, writer.finish(writer.endUs));
  }

  /** A row in which nothing moved shows the still picture. */
  #completeStill(row: RowClock, atUs: number): void {
    const writer = this.#stillWriter;
    if (writer.segment === undefined && !this.#hasVideo(row.n)) {
      writer.begin(row.n, this.#stills.at(row.startUs), this.#epochMs);
    }
    if (writer.segment !== undefined) this.#done.set(STILL, writer.finish(atUs));
  }

  /** Closes what is begun, because the source is gone. */
  #closeRows(): void {
    for (;;) {
      const row = this.#row;
      if (row === undefined) break;
      const writers = [...this.#video.values()].map((entry) => entry.writer);
      const open = [...writers, this.#audioWriter].filter((writer) => writer.segment !== undefined);
      const endUs = Math.max(row.startUs, ...open.map((writer) => writer.endUs));
      const atUs = Math.min(row.boundary?.atUs ?? endUs, endUs);
      // What viewers were told of stays, however short.
      const isTold = this.#recording.edge.plan !== undefined;
      if (!isTold && (open.length === 0 || endUs - row.startUs < SHORTEST_US)) {
        for (const writer of [...open, this.#stillWriter]) {
          if (writer.segment !== undefined) this.#recording.drop(writer.segment.n, writer.label);
          writer.discard();
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
