// What goes out of the room, and what comes in from outside to go out: the broadcast with its programme,
// and the encoder.
import { makeId } from '#shared/contract/ids.ts';
import type { EncoderAnswer, EncoderState, Teaching } from '#shared/contract/internal.ts';
import type { BroadcastView } from '#shared/contract/signalling.ts';
import type { Offer } from '../sdp/offer.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import { Audience } from './audience.ts';
import { Broadcast } from './broadcast.ts';
import { Encoder, type Publication } from './encoder.ts';
import type { MediaSlot } from './media-slot.ts';
import type { Members } from './members.ts';
import type { RoomDeps, WhipInlet } from './ports.ts';
import { chooseProgramme, teachingOf } from './programme.ts';
import type { AbsentEnd, RoomRecord } from './record.ts';
import type { Ask } from './revalidation.ts';
import type { Stage } from './stage.ts';

export interface OnAirOptions {
  readonly lesson: string;
  readonly record: RoomRecord;
  readonly deps: RoomDeps;
  readonly members: Members;
  readonly stage: Stage;
  readonly media: MediaSlot;
  /** The class's title; empty while nobody with a ticket came. */
  readonly title: () => string;
  /** Something from outside came into the room. */
  readonly onMedia: () => void;
  /** The broadcast is not as it was; the members know already. */
  readonly onChange: (view: BroadcastView) => void;
  /** Something ended that kept the room busy. */
  readonly onEnded: () => void;
}

export class OnAir {
  readonly encoder: Encoder;
  readonly audience: Audience;
  readonly #options: OnAirOptions;
  readonly #broadcast: Broadcast;
  /** The last publication that put the room on air by itself. */
  #aired: string | null;

  /** Goes on with what was on air when the process ended. */
  constructor(options: OnAirOptions) {
    const { lesson, record, deps, members, stage, media, onChange, onEnded } = options;
    this.#options = options;
    this.#aired = record.aired;
    this.encoder = new Encoder({
      lesson,
      log: deps.log,
      now: deps.now,
      members,
      stage,
      openInlet: async () => (await media.open()).openInlet(),
      onMedia: (publication) => this.#airEncoder(publication),
      onGone: onEnded,
    });
    this.audience = new Audience(deps.log, deps.now);
    this.#broadcast = new Broadcast({
      lesson,
      gateway: deps.gateway,
      log: deps.log,
      whepViewers: () => this.audience.size,
      teaching: () => this.#teaching(),
      onAccessChanged: () => this.recheck(),
      onChange: (view) => {
        members.tell('broadcast:changed', view);
        onChange(view);
      },
      onOver: (absent) => this.#forget(absent),
    });
    if (record.onAir !== null) this.#broadcast.start(record.onAir);
    else if (record.absentEnd !== null) this.#broadcast.recall(record.absentEnd);
  }

  get view(): BroadcastView {
    return this.#broadcast.view;
  }

  /** The channel that the room is on air on; null while it is not. */
  get channel(): string | null {
    return this.#broadcast.run?.channel ?? null;
  }

  /** True while somebody outside needs the room. */
  get busy(): boolean {
    return this.encoder.busy || this.#broadcast.run !== null;
  }

  /** A program outside publishes, as the gateway states. Throws as {@link Encoder.state}. */
  async stateEncoder(stated: EncoderState): Promise<EncoderAnswer> {
    const answer = await this.encoder.state(stated);
    this.#options.onMedia();
    return answer;
  }

  /**
   * A WHIP client publishes that `ask` allowed; it is asked again whenever the rules change. `onGone` is
   * called once when that is over. Throws as {@link Encoder.occupy}.
   */
  async publishWhip(
    publication: Publication,
    offer: Offer,
    ask: Ask,
    onGone: () => void,
  ): Promise<WhipInlet> {
    const inlet = await this.encoder.occupy(publication, ask, async () =>
      (await this.#options.media.open()).openWhip(offer, () => {
        this.encoder.end(publication.id);
        onGone();
      }),
    );
    this.#options.onMedia();
    return inlet;
  }

  /** The rules for publishing or viewing changed: who may not any more is shown out. */
  recheck(): void {
    this.audience.recheck();
    this.encoder.recheck();
  }

  /** Goes on air; does nothing if the class is already. */
  start(channel: string, title: string, startedBy: string): void {
    if (this.#broadcast.run !== null) return;
    const { deps, lesson } = this.#options;
    const random = (bytes: Uint8Array<ArrayBuffer>) => void crypto.getRandomValues(bytes);
    const run = { id: makeId(random), channel, title, startedBy };
    deps.journal.append(lesson, { type: 'broadcast:started', run });
    this.#broadcast.start(run);
    this.showProgramme();
  }

  /** Goes off air; does nothing if the class is not on it. */
  stop(): void {
    if (this.#broadcast.run === null) return;
    this.#forget();
    this.#broadcast.stop();
  }

  /** What is published changed, or where its media are. */
  showProgramme(): void {
    const { run } = this.#broadcast;
    if (run === null) return;
    const { stage, members, media } = this.#options;
    const programme = chooseProgramme(stage.views(), members.all(), run.startedBy);
    this.#broadcast.show(programme, media.current);
    this.audience.show(programme, media.current);
  }

  /** The class is over, and the broadcast with it. The caller journals that. */
  end(): void {
    this.#broadcast.stop();
    this.audience.close();
    this.encoder.close();
  }

  /** Lets go of all that is in memory; the gateway is not told. */
  free(): void {
    this.#broadcast.close();
    this.audience.close();
    this.encoder.close();
  }

  /** Once for each publication: what a teacher stopped stays stopped, also over a restart of this service. */
  #airEncoder({ id, kind, channel, title }: Publication): void {
    // Behind that one is a teacher's tab, and it has a button for going live.
    if (kind === 'webcodecs' || this.#aired === id) return;
    this.#aired = id;
    const { deps, lesson, title: known } = this.#options;
    deps.journal.append(lesson, { type: 'encoder:aired', publication: id });
    this.start(channel, known() === '' ? title : known(), ENCODER_ID);
  }

  #teaching(): Teaching {
    const { stage, members } = this.#options;
    const connected = members.all().filter(({ link }) => link !== null);
    return teachingOf(stage.views(), connected, this.encoder.view?.state === 'sending');
  }

  #forget(absent?: AbsentEnd): void {
    const { deps, lesson, onEnded } = this.#options;
    this.audience.close();
    deps.journal.append(lesson, { type: 'broadcast:stopped', ...(absent && { absent }) });
    onEnded();
  }
}
