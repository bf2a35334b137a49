// What goes out of the room, and what comes in from outside to go out: the broadcast with its programme,
// and the encoder.
import {
  broadcast as spec,
  type AbsentEnd,
  type BroadcastRun,
  type BroadcastView,
  type RecordingChosen,
} from '#shared/contract/features/broadcast.ts';
import type { MediaTime } from '#shared/contract/events.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { makeId } from '#shared/contract/ids.ts';
import type { EncoderAnswer, EncoderState, Teaching } from '#shared/contract/internal.ts';
import type { RecordingChoice, RecordingMode } from '#shared/domain/recording.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import type { Offer } from '../../../sdp/offer.ts';
import type { RoomContext } from '../../context.ts';
import type { WhipIngress } from '../../ports.ts';
import { feature } from '../feature.ts';
import { BROADCAST } from '../rates.ts';
import { stage, type Stage } from '../stage.ts';
import { Audience } from './audience.ts';
import { BroadcastFeature } from './broadcast.ts';
import { Encoder, type EncoderPublication } from './encoder.ts';
import { chooseProgramme, teachingOf } from './programme.ts';
import type { Ask } from './revalidation.ts';

/** What is remembered of a room's broadcasts. */
interface OnAirMemory {
  /** The broadcast that should be on air. */
  run: BroadcastRun | null;
  /** How the last broadcast ended, if nobody wanted that. */
  absentEnd: AbsentEnd | null;
  /** The last publication that put the room on air by itself: it does so once. */
  aired: string | null;
  /** What somebody chose of the recording of the broadcast on air, or of the next one. */
  chosen: RecordingChosen | undefined;
}

export const broadcast = feature({
  spec,
  memory: (): OnAirMemory => ({ run: null, absentEnd: null, aired: null, chosen: undefined }),
  remember(memory, event) {
    if (event.type === 'broadcast:started') {
      memory.run = event.run;
      memory.absentEnd = null;
    } else if (event.type === 'broadcast:stopped') {
      memory.run = null;
      memory.absentEnd = event.absent ?? null;
      memory.chosen = undefined;
    } else if (event.type === 'room:closed') memory.run = null;
    else if (event.type === 'encoder:aired') memory.aired = event.publication;
    else if (event.type === 'recording:chosen') memory.chosen = event.chosen;
  },
  isUnfinished: ({ run }) => run !== null,
  rates: { 'broadcast:start': BROADCAST, 'broadcast:stop': BROADCAST, 'recording:choose': BROADCAST },
  open(room, memory) {
    const onAir = new OnAir(room, room.get(stage).stage, memory);
    return {
      requests: {
        'broadcast:start': ({ peer, ticket }) => {
          onAir.start(ticket.channel, room.title(), peer.id);
          return { broadcast: onAir.view };
        },
        'broadcast:stop': () => {
          onAir.stop();
          return { broadcast: onAir.view };
        },
        'recording:choose': (_call, { choice }) => {
          onAir.chooseRecording(choice);
          return { broadcast: onAir.view };
        },
      },
      snapshot: () => ({}),
      mediaLost: () => onAir.encoder.lost(),
      accessChanged: () => onAir.recheck(),
      isBusy: () => onAir.busy,
      close: () => onAir.end(),
      free: () => onAir.free(),
      onAir,
    };
  },
});

export class OnAir {
  readonly encoder: Encoder;
  readonly audience: Audience;
  readonly #room: RoomContext;
  readonly #stage: Stage;
  readonly #memory: OnAirMemory;
  readonly #broadcast: BroadcastFeature;

  /** Goes on with what was on air when the process ended. */
  constructor(room: RoomContext, stage: Stage, memory: OnAirMemory) {
    const { lesson, deps, members, lobby, media } = room;
    this.#room = room;
    this.#stage = stage;
    this.#memory = memory;
    this.encoder = new Encoder({
      lesson,
      log: deps.log,
      now: deps.now,
      members,
      stage,
      openIngress: async () => (await media.open()).openIngress(),
      onMedia: (publication) => this.#airEncoder(publication),
      isCarried: (producerId) => this.#broadcast.carries(producerId),
      onGone: () => room.released(),
    });
    this.audience = new Audience(deps.log, deps.now);
    this.#broadcast = new BroadcastFeature({
      lesson,
      gateway: deps.gateway,
      log: deps.log,
      now: deps.now,
      whepViewers: () => this.audience.size,
      teaching: () => this.#teaching(),
      chosen: () => memory.chosen,
      onAccessChanged: () => this.recheck(),
      onChange: (view) => {
        members.notify('broadcast:changed', view);
        lobby.notify('broadcast:changed', view);
      },
      onOver: (absent) => this.#forget(absent),
    });
    if (memory.run !== null) this.#broadcast.start(memory.run);
    else if (memory.absentEnd !== null) this.#broadcast.recall(memory.absentEnd);
    stage.onChange = () => this.showProgramme();
  }

  get view(): BroadcastView {
    return this.#broadcast.view;
  }

  /** Where in the broadcast the class is now. */
  get mediaTime(): MediaTime {
    return this.#broadcast.mediaTime;
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
    this.#room.opened();
    return answer;
  }

  /**
   * A WHIP client publishes that `ask` allowed; it is asked again whenever the rules change. `onGone` is
   * called once when that is over. Throws as {@link Encoder.occupy}.
   */
  async publishWhip(
    publication: EncoderPublication,
    offer: Offer,
    ask: Ask,
    onGone: () => void,
  ): Promise<WhipIngress> {
    const ingress = await this.encoder.occupy(publication, ask, async () =>
      (await this.#room.media.open()).openWhip(offer, () => {
        this.encoder.end(publication.id);
        onGone();
      }),
    );
    this.#room.opened();
    return ingress;
  }

  /** The rules for publishing or viewing changed: who may not any more is shown out. */
  recheck(): void {
    this.audience.recheck();
    this.encoder.recheck();
  }

  /** Goes on air; does nothing if the class is already. */
  start(channel: string, title: string, startedBy: string): void {
    if (this.#broadcast.run !== null) return;
    const random = (bytes: Uint8Array<ArrayBuffer>) => void crypto.getRandomValues(bytes);
    const run = { id: makeId(random), channel, title, startedBy };
    this.#room.events.append({ type: 'broadcast:started', run });
    this.#broadcast.start(run);
    this.showProgramme();
  }

  /** Goes off air; does nothing if the class is not on it. */
  stop(): void {
    if (this.#broadcast.run === null) return;
    this.#forget();
    this.#broadcast.stop();
  }

  /**
   * Whether what is on air is recorded from now on, or the next broadcast from its start. Throws LecternError
   * `conflict` where the lesson says that it always is.
   */
  chooseRecording(choice: RecordingChoice): void {
    const { recordingMode, recordingChoice } = this.view;
    if (recordingMode === 'always') throw new LecternError('conflict', 'This class is always recorded.');
    if (choice === recordingChoice) return;
    const { lesson, events, deps } = this.#room;
    events.append({ type: 'recording:chosen', chosen: { choice, atMs: deps.now() } });
    deps.log.info({ lesson, choice }, 'recording chosen');
    this.#broadcast.chose();
  }

  /** What the lesson says of its recordings. */
  setRecordingMode(mode: RecordingMode): void {
    this.#broadcast.setMode(mode);
  }

  /** What is published changed, or where its media are. */
  showProgramme(): void {
    const { run } = this.#broadcast;
    if (run === null) return;
    const { members, media } = this.#room;
    const programme = chooseProgramme(this.#stage.views(), members.all(), run.startedBy);
    this.#broadcast.show(programme, media.current);
    this.audience.show(programme, media.current);
  }

  /** The class is over, and the broadcast with it. The room says that. */
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
  #airEncoder({ id, kind, channel, title }: EncoderPublication): void {
    // Behind that one is a teacher's tab, and it has a button for going live.
    if (kind === 'webcodecs' || this.#memory.aired === id) return;
    this.#room.events.append({ type: 'encoder:aired', publication: id });
    const known = this.#room.title();
    this.start(channel, known === '' ? title : known, ENCODER_ID);
  }

  #teaching(): Teaching {
    const connected = this.#room.members.all().filter(({ link }) => link !== null);
    return teachingOf(this.#stage.views(), connected, this.encoder.view?.state === 'sending');
  }

  #forget(absent?: AbsentEnd): void {
    this.audience.close();
    this.#room.events.append({ type: 'broadcast:stopped', ...(absent && { absent }) });
    this.#room.released();
  }
}
