// Keeps both picture and sound in a broadcast: players stand still when one of them stops, and cannot take up one that
// was not there when they began. What is missing is made here, once for all sinks: silence, and a still picture.
import type { AudioConfig, AudioFrame, AudioCodec, VideoFrame } from '#shared/media/frame.ts';
import { ASK_EVERY_US, MIN_STEP_US, AUDIO_HOLE_US } from './limits.ts';
import type { LadderSink, ProgrammeSink } from './ports.ts';
import { silence } from './silence.ts';
import type { StillPicture } from './still-picture.ts';

/** Sound that is this late is not coming; silence then follows the picture at the second distance. */
const AUDIO_LATE_US = 1_000_000;
const AUDIO_BEHIND_US = 700_000;
/** A codec that nobody needs is made for a moment more; without a frame for this long that is over. */
const AUDIO_GONE_US = 2_000_000;

/** The sound in one codec. */
interface AudioState {
  /** Where it ends; undefined until anything came, and after an interruption. */
  endUs: number | undefined;
  /** When it was asked for: it is not late before its time. */
  readonly sinceUs: number;
  config: AudioConfig | undefined;
}

export interface ContinuityOptions {
  readonly still: StillPicture;
  readonly programme: Pick<ProgrammeSink, 'writeFrame'>;
  readonly ladder: Pick<LadderSink, 'audioCodec' | 'writeAudio' | 'writeStill'>;
  /** How the sound in a codec is configured: silence before the first of it is, too. */
  readonly audioConfig: (codec: AudioCodec) => AudioConfig;
  /** The real time of a place on the timeline, in ms since 1970. */
  readonly wallMs: (ptsUs: number) => number;
  /** The picture can only go on with a key frame. */
  readonly requestKeyframe: () => void;
}

export class Continuity {
  readonly #options: ContinuityOptions;
  readonly #audio = new Map<AudioCodec, AudioState>();
  /** Where codecs ended that are not made now: what is in the viewers' cache is not given again. */
  readonly #endsUs = new Map<AudioCodec, number>();
  #wanted: ReadonlySet<AudioCodec>;
  #headUs = 0;
  /** Where the newest picture is shown, a still one or a real one. */
  #videoUs = -Infinity;
  /** Since when no sound came, in whatever codec; undefined before the first frame. */
  #quietSinceUs: number | undefined;
  #askedUs = -Infinity;

  constructor(options: ContinuityOptions) {
    this.#options = options;
    this.#wanted = new Set([options.ladder.audioCodec]);
  }

  /** The configuration of the sound in `codec`, if it flows: what viewers need to begin. */
  audioConfig(codec: AudioCodec): AudioConfig | undefined {
    return this.#audio.get(codec)?.config;
  }

  /** Viewers listen to these codecs. One that is new is heard from `fromUs` on, where the oldest picture is. */
  want(codecs: ReadonlySet<AudioCodec>, fromUs: number | undefined): void {
    this.#wanted = new Set([...codecs, this.#options.ladder.audioCodec]);
    for (const codec of codecs) this.#audioOf(codec, fromUs);
  }

  /** The picture of the programme. */
  placeVideo(frame: VideoFrame): void {
    const { still } = this.#options;
    this.#moveTo(frame.ptsUs);
    // After a still the decoder has forgotten what this one builds upon.
    const isLost = still.isShowing && !frame.key;
    if (!isLost) still.noteFrame(frame);
    for (const [codec, audio] of this.#audio)
      for (const silent of this.#fill(codec, audio)) this.#give(silent);
    if (isLost) this.#askForKeyframe();
    else this.#show(frame);
  }

  placeAudio(frame: AudioFrame): void {
    const { codec } = frame.config;
    const audio = this.#audioOf(codec, frame.ptsUs);
    this.#moveTo(frame.ptsUs);
    const endUs = audio.endUs ?? frame.ptsUs;
    // Its place was filled with silence. What is more than half there would begin before the last of it.
    if (frame.ptsUs < endUs - frame.durationUs / 2) return;
    audio.config = frame.config;
    this.#quietSinceUs = this.#headUs;
    const hole = frame.ptsUs - endUs > AUDIO_HOLE_US ? silence(endUs, frame.ptsUs, frame.config) : [];
    // Up to the sound without a seam: players that count frames would play all that follows too early.
    const seamUs = frame.ptsUs - endUs - hole.length * frame.durationUs;
    audio.endUs = frame.ptsUs + frame.durationUs;
    const { still, ladder } = this.#options;
    const stills = still.due(this.#headUs);
    for (const picture of stills) this.#show(picture);
    for (const silent of hole) this.#give({ ...silent, ptsUs: silent.ptsUs + seamUs });
    this.#give(frame);
    // Behind the sound, so that a still at a boundary goes into the row that begins there.
    for (const picture of stills) ladder.writeStill(picture);
    if (still.isShowing) this.#askForKeyframe();
  }

  /** The source is gone; it comes back with a key frame. */
  interrupt(): void {
    this.#options.still.reset();
    this.#endsUs.clear();
    for (const audio of this.#audio.values()) audio.endUs = undefined;
  }

  #moveTo(ptsUs: number): void {
    this.#headUs = Math.max(this.#headUs, ptsUs);
    this.#quietSinceUs ??= ptsUs;
    for (const audio of this.#audio.values()) audio.endUs ??= ptsUs;
    this.#audioOf(this.#options.ladder.audioCodec, ptsUs);
  }

  /**
   * Behind the one before it: of two layers the second takes the same moment again, and a picture may come when stills
   * have its place.
   */
  #show(frame: VideoFrame): void {
    const ptsUs = Math.max(frame.ptsUs, this.#videoUs + MIN_STEP_US);
    this.#videoUs = ptsUs;
    this.#options.programme.writeFrame(ptsUs === frame.ptsUs ? frame : { ...frame, ptsUs, dtsUs: ptsUs });
  }

  #give(frame: AudioFrame): void {
    const { programme, ladder, wallMs } = this.#options;
    programme.writeFrame(frame);
    if (frame.config.codec === ladder.audioCodec) ladder.writeAudio(frame, wallMs(frame.ptsUs));
  }

  #askForKeyframe(): void {
    if (this.#headUs - this.#askedUs < ASK_EVERY_US) return;
    this.#askedUs = this.#headUs;
    this.#options.requestKeyframe();
  }

  #audioOf(codec: AudioCodec, fromUs: number | undefined): AudioState {
    const known = this.#audio.get(codec);
    if (known !== undefined) return known;
    const endUs = fromUs === undefined ? undefined : Math.max(fromUs, this.#endsUs.get(codec) ?? fromUs);
    // Where nothing is heard anyway there is nothing to wait for.
    const isSilent = this.#headUs - (this.#quietSinceUs ?? this.#headUs) > AUDIO_LATE_US;
    const config = isSilent ? this.#options.audioConfig(codec) : undefined;
    const audio = { endUs, sinceUs: isSilent ? -Infinity : this.#headUs, config };
    this.#audio.set(codec, audio);
    return audio;
  }

  #fill(codec: AudioCodec, audio: AudioState): AudioFrame[] {
    const endUs = audio.endUs ?? this.#headUs;
    if (!this.#wanted.has(codec)) {
      if (this.#headUs - endUs > AUDIO_GONE_US) {
        this.#audio.delete(codec);
        this.#endsUs.set(codec, endUs);
      }
      return [];
    }
    if (this.#headUs - Math.max(endUs, audio.sinceUs) <= AUDIO_LATE_US) return [];
    audio.config ??= this.#options.audioConfig(codec);
    const frames = silence(endUs, this.#headUs - AUDIO_BEHIND_US, audio.config);
    const last = frames.at(-1);
    if (last !== undefined) audio.endUs = last.ptsUs + last.durationUs;
    return frames;
  }
}
