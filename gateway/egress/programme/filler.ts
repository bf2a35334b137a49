// Keeps both picture and sound in a programme: players stand still when one of them stops, and cannot
// take up one that was not there when they began.
import type { AudioConfig, AudioFrame, Frame, SoundCodec, VideoFrame } from '#shared/media/frame.ts';
import { silence, SILENT_CONFIG } from '../silence.ts';
import { StillPicture } from '../still-picture.ts';

/** How long after asking for a key frame it is asked for again. */
const ASK_EVERY_US = 1_000_000;
/** Sound that is this late is not coming; silence then follows the picture at the second distance. */
const SOUND_LATE_US = 1_000_000;
const SOUND_BEHIND_US = 700_000;
/** A hole in the sound above this is filled. */
const SOUND_HOLE_US = 60_000;
/** A codec that nobody needs is made for a moment more; without a frame for this long that is over. */
const SOUND_GONE_US = 2_000_000;

/** The sound in one codec. */
interface Sound {
  /** Where it ends; undefined until anything came, and after an interruption. */
  endUs: number | undefined;
  /** When it was asked for: it is not late before its time. */
  readonly sinceUs: number;
  config: AudioConfig | undefined;
}

export class Filler {
  readonly #still = new StillPicture();
  readonly #sounds = new Map<SoundCodec, Sound>();
  /** Where codecs ended that are not made now: what is in the viewers' cache is not given again. */
  readonly #endsUs = new Map<SoundCodec, number>();
  #wanted: ReadonlySet<SoundCodec> = new Set();
  #headUs = 0;
  /** Since when no sound came, in whatever codec; undefined before the first frame. */
  #quietSinceUs: number | undefined;
  #askedUs = -Infinity;

  /** What to show and to play now that `frame` came: the frame, what fills the time before it, or nothing. */
  pass(frame: Frame): Frame[] {
    this.#headUs = Math.max(this.#headUs, frame.ptsUs);
    this.#quietSinceUs ??= frame.ptsUs;
    if (frame.kind === 'audio') this.#sound(frame.config.codec, frame.ptsUs);
    for (const sound of this.#sounds.values()) sound.endUs ??= frame.ptsUs;
    return frame.kind === 'audio' ? this.#passSound(frame) : this.#passPicture(frame);
  }

  /** The configuration of the sound in `codec`, if it flows: what viewers need to begin. */
  soundConfig(codec: SoundCodec): AudioConfig | undefined {
    return this.#sounds.get(codec)?.config;
  }

  /** These codecs have listeners. One that is new is heard from `fromUs` on, where the oldest picture is. */
  want(codecs: ReadonlySet<SoundCodec>, fromUs: number | undefined): void {
    this.#wanted = codecs;
    for (const codec of codecs) this.#sound(codec, fromUs);
  }

  /** The source is gone; it comes back with a key frame. */
  interrupted(): void {
    this.#still.reset();
    this.#endsUs.clear();
    for (const sound of this.#sounds.values()) sound.endUs = undefined;
  }

  /** A break begins or ends: the still picture says so. */
  setBreak(on: boolean): void {
    this.#still.setBreak(on);
  }

  /** True now and then while stills are shown: the picture can only go on with a key frame. */
  needsKeyframe(): boolean {
    if (!this.#still.isShowing || this.#headUs - this.#askedUs < ASK_EVERY_US) return false;
    this.#askedUs = this.#headUs;
    return true;
  }

  #sound(codec: SoundCodec, fromUs: number | undefined): Sound {
    const known = this.#sounds.get(codec);
    if (known !== undefined) return known;
    const endUs = fromUs === undefined ? undefined : Math.max(fromUs, this.#endsUs.get(codec) ?? fromUs);
    // Where nothing is heard anyway there is nothing to wait for.
    const isSilent = this.#headUs - (this.#quietSinceUs ?? this.#headUs) > SOUND_LATE_US;
    const sound = {
      endUs,
      sinceUs: isSilent ? -Infinity : this.#headUs,
      config: isSilent ? SILENT_CONFIG[codec] : undefined,
    };
    this.#sounds.set(codec, sound);
    return sound;
  }

  #passSound(frame: AudioFrame): Frame[] {
    const { codec } = frame.config;
    const sound = this.#sound(codec, frame.ptsUs);
    const endUs = sound.endUs ?? frame.ptsUs;
    // Its place was filled with silence. What is more than half there would begin before the last of it.
    if (frame.ptsUs < endUs - frame.durationUs / 2) return [];
    sound.config = frame.config;
    this.#quietSinceUs = this.#headUs;
    const hole = frame.ptsUs - endUs > SOUND_HOLE_US ? silence(endUs, frame.ptsUs, frame.config) : [];
    // Up to the sound without a seam: players that count frames would play all that follows too early.
    const seamUs = frame.ptsUs - endUs - hole.length * frame.durationUs;
    const filled = hole.map((silent) => ({ ...silent, ptsUs: silent.ptsUs + seamUs }));
    sound.endUs = frame.ptsUs + frame.durationUs;
    return [...this.#still.due(this.#headUs), ...filled, frame];
  }

  #passPicture(frame: VideoFrame): Frame[] {
    // After a still the decoder has forgotten what this one builds upon.
    const isLost = this.#still.isShowing && !frame.key;
    if (!isLost) this.#still.seen(frame);
    const filled = [...this.#sounds].flatMap(([codec, sound]) => this.#fill(codec, sound));
    return [...filled, ...(isLost ? [] : [frame])];
  }

  #fill(codec: SoundCodec, sound: Sound): AudioFrame[] {
    const endUs = sound.endUs ?? this.#headUs;
    if (!this.#wanted.has(codec)) {
      if (this.#headUs - endUs > SOUND_GONE_US) {
        this.#sounds.delete(codec);
        this.#endsUs.set(codec, endUs);
      }
      return [];
    }
    if (this.#headUs - Math.max(endUs, sound.sinceUs) <= SOUND_LATE_US) return [];
    const frames = silence(endUs, this.#headUs - SOUND_BEHIND_US, sound.config, codec);
    const last = frames.at(-1);
    if (last !== undefined) {
      sound.endUs = last.ptsUs + last.durationUs;
      sound.config ??= last.config;
    }
    return frames;
  }
}
