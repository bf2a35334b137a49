// One class as the view sees it: thin runes over the engine, and what the tab remembers.
import { codeOf, type ErrorCode, LecternError } from '#shared/contract/errors.ts';
import { DisplayName } from '#shared/contract/ids.ts';
import type { TicketIssued } from '#shared/contract/rest.ts';
import type { Role } from '#shared/domain/roles.ts';
import type { Api } from '../engine/api.ts';
import { Classroom } from '../engine/classroom.ts';
import type { CreateFeature } from '../engine/feature.ts';
import type { Devices } from '../engine/devices.ts';
import type { SendPreference } from '../engine/outgoing.ts';
import { refusedPhase, type EndReason, type Notice, type Phase } from '../engine/phases.ts';
import type { EncoderPort, NetworkPort, StorePort } from '../engine/ports.ts';
import { isRetryable } from '../engine/retryable.ts';
import { readTicket, recall, remember, type TabMemory } from '../engine/tab-memory.ts';
import type { DevicesState } from './devices.svelte.ts';
import type { Replay } from './replay-search.svelte.ts';
import { replaysOf } from './replays.ts';
import { RoomState } from './room.svelte.ts';

export type { SendPreference } from '../engine/outgoing.ts';
export type { EndReason, Notice, Phase } from '../engine/phases.ts';

/** What the page shows. */
export type Scene =
  | { readonly name: 'opening' }
  | { readonly name: 'green-room'; readonly room: RoomState }
  | { readonly name: 'waiting'; readonly room: RoomState }
  | { readonly name: 'room'; readonly room: RoomState }
  | { readonly name: 'ended'; readonly reason: EndReason }
  | { readonly name: 'refused'; readonly code: ErrorCode };

export interface ClassroomPorts {
  readonly api: Api;
  readonly devices: Devices;
  readonly network: NetworkPort;
  readonly encoder: EncoderPort;
  readonly features: readonly CreateFeature[];
  /** For this browser: the name, and how to send. */
  readonly remembered: StorePort;
  /** For this tab: the ticket and whether it was in the room. */
  readonly tab: StorePort;
}

const NAME_KEY = 'lectern:name';
const SEND_KEY = 'lectern:send';
/** A ticket this close to its end, in ms, is not worth joining with. */
const TICKET_MARGIN_MS = 60_000;

/** A refusal that passes is asked about again after so long at most, in ms; a class does not ask as one. */
const REFUSED_ASK_MS = 4_000;

/** Owns the membership of this tab. `close()` is idempotent. */
export class ClassroomState {
  readonly lessonId: string;
  readonly deviceState: DevicesState;
  readonly #invite: string;
  readonly #ports: ClassroomPorts;
  readonly #onNotice: (notice: Notice) => void;
  #engine: Classroom | undefined;
  #memory: TabMemory | undefined;
  #room = $state.raw<RoomState>();
  #phase = $state.raw<Phase>({ name: 'connecting' });
  #role = $state.raw<Role>('student');
  #asksConsent = $state(false);
  #title = $state('');
  #asked = $state(false);
  #returning = $state(false);
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    lessonId: string,
    invite: string,
    ports: ClassroomPorts,
    deviceState: DevicesState,
    onNotice: (notice: Notice) => void,
  ) {
    this.lessonId = lessonId;
    this.deviceState = deviceState;
    this.#invite = invite;
    this.#ports = ports;
    this.#onNotice = onNotice;
  }

  readonly scene: Scene = $derived.by(() => {
    const phase = this.#phase;
    if (phase.name === 'ended' || phase.name === 'refused') return phase;
    const room = this.#room;
    if (room === undefined) return { name: 'opening' };
    if (phase.name === 'waiting') return { name: 'waiting', room };
    if (room.you !== null) return { name: 'room', room };
    // After a reload the person was in already: no green room, not even for a moment.
    return this.#returning ? { name: 'opening' } : { name: 'green-room', room };
  });

  get role(): Role {
    return this.#role;
  }

  /** Who joins has to agree to be recorded. */
  get asksConsent(): boolean {
    return this.#asksConsent;
  }

  get title(): string {
    return this.#room?.room?.title ?? this.#title;
  }

  /** True from the press of Join until the room is there. */
  get joining(): boolean {
    return this.#asked;
  }

  /** The name to offer: this tab's, else the one last used here. */
  get name(): string {
    return this.#memory?.name || this.#ports.remembered.get(NAME_KEY) || '';
  }

  /** What was on when the tab was last in the room; on for a newcomer. */
  get desired(): { camera: boolean; microphone: boolean } {
    return { camera: this.#memory?.camera ?? true, microphone: this.#memory?.microphone ?? true };
  }

  /** True if there is a choice of how to send: a teacher whose browser can encode by itself. */
  get canChooseSending(): boolean {
    return this.#role === 'teacher' && this.#ports.encoder.available;
  }

  /** How to send, as it was last chosen in this browser. */
  get sending(): SendPreference {
    const stored = this.#ports.remembered.get(SEND_KEY);
    return stored === 'webrtc' || stored === 'webcodecs' ? stored : 'auto';
  }

  set sending(preference: SendPreference) {
    this.#ports.remembered.set(SEND_KEY, preference === 'auto' ? null : preference);
  }

  /** Gets a ticket, if need be, and connects; goes straight into the room after a reload. */
  async open(isNewTicketNeeded = false): Promise<void> {
    const memory = recall(this.#ports.tab, this.lessonId, this.#invite);
    this.#memory = memory;
    try {
      const known = memory === undefined ? undefined : readTicket(memory.ticket);
      const fresh =
        !isNewTicketNeeded &&
        known !== undefined &&
        known.exp * 1_000 > this.#ports.api.time.nowMs() + TICKET_MARGIN_MS;
      const ticket = fresh && memory !== undefined ? memory.ticket : await this.#issue();
      if (!this.#closed) this.#start(ticket);
    } catch (error) {
      const code = codeOf(error);
      this.#phase = refusedPhase(code);
      if (isRetryable(code) && !this.#closed)
        this.#retry = setTimeout(() => void this.open(), REFUSED_ASK_MS * (1 + Math.random()) * 0.5);
    }
  }

  /** Comes in. Devices that are wished for and open are published at once. */
  join(name: string, camera: boolean, microphone: boolean, consents = false): void {
    const engine = this.#engine;
    if (engine === undefined) return;
    this.#asked = true;
    this.#ports.remembered.set(NAME_KEY, name);
    if (this.canChooseSending) engine.outgoing.prefer(this.sending);
    // What is denied or missing was said in the green room; it is not asked for again here.
    const { devices } = this.#ports;
    if (camera && devices.camera.state !== 'blocked') void engine.publishing.setCamera(true);
    else devices.stop('camera');
    if (microphone && devices.microphone.state !== 'blocked') void engine.publishing.setMicrophone(true);
    else devices.stop('microphone');
    this.#remember({ name, joined: true, camera, microphone, consents });
    engine.join(name, consents);
  }

  /** Comes back after having left, been replaced or been refused. */
  reopen({ fresh = false } = {}): void {
    clearTimeout(this.#retry);
    this.#engine?.close();
    this.#engine = undefined;
    this.#room = undefined;
    this.#asked = false;
    this.#phase = { name: 'connecting' };
    void this.open(fresh);
  }

  /** Replaces a link of this class, so that the old one lets nobody in. Rejects with the server's refusal. */
  async replaceLink(link: 'student' | 'watch'): Promise<void> {
    const { url } = await this.#ports.api.replaceLink(this.lessonId, link, this.#invite);
    const links = this.#memory?.links;
    if (links == null) return;
    this.#remember({ links: { ...links, [link]: url } });
    this.#room?.setLinks(this.#memory?.links ?? null);
  }

  /** Whether this class can be watched again; `url` is the page of its newest replay. */
  async findReplay(): Promise<Replay> {
    const { replay, recordings } = await this.#ports.api.issuePlayback(this.lessonId, this.#invite);
    const url = replaysOf(recordings)[0]?.first.replay;
    if (replay === 'ready' && url !== undefined) return { name: 'ready', url };
    return { name: replay === 'none' ? 'none' : 'preparing' };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#engine?.close();
    this.deviceState.close();
    this.#ports.devices.close();
  }

  async #issue(): Promise<string> {
    return (await this.#ask()).ticket;
  }

  async #ask(): Promise<TicketIssued> {
    const before = this.#memory;
    const issued = await this.#ports.api.issueTicket(this.lessonId, this.#invite, before?.ticket);
    if (issued.lesson.state === 'ended') throw new LecternError('room-closed');
    this.#memory = {
      name: '',
      joined: false,
      consents: false,
      camera: true,
      microphone: true,
      screen: false,
      ...before,
      invite: this.#invite,
      ticket: issued.ticket,
      links: issued.links,
    };
    this.#save();
    return issued;
  }

  #start(ticket: string): void {
    const claims = readTicket(ticket);
    const memory = this.#memory;
    if (claims === undefined || memory === undefined) {
      this.#phase = { name: 'refused', code: 'ticket-invalid' };
      return;
    }
    this.#role = claims.role;
    this.#title = claims.title;
    this.#asksConsent = claims.asksConsent === true;
    const engine = new Classroom({
      ticket,
      devices: this.#ports.devices,
      network: this.#ports.network,
      encoder: this.#ports.encoder,
      features: this.#ports.features,
      publishAddress: async () => (await this.#ask()).publish,
      renewTicket: () => this.#issue(),
    });
    this.#engine = engine;
    const mayReturn = memory.consents || !this.#asksConsent;
    this.#returning = memory.joined && mayReturn && DisplayName.safeParse(memory.name).success;
    this.#room = new RoomState(engine, claims.permissions, {
      links: memory.links,
      screenLost: this.#returning && memory.screen,
      onScreenSettled: () => this.#remember({ screen: engine.publishing.screen !== 'off' }),
    });
    engine.on('changed', () => this.#changed(engine));
    engine.on('notice', this.#onNotice);
    engine.open();
    if (this.#returning) this.join(memory.name, memory.camera, memory.microphone, memory.consents);
  }

  #changed(engine: Classroom): void {
    if (engine !== this.#engine) return;
    const before = this.#phase.name;
    const { name } = engine.phase;
    this.#phase = engine.phase;
    if (name === 'ended' && before !== 'ended') {
      this.#ports.devices.stop('camera');
      this.#ports.devices.stop('microphone');
      // Replaced: the same person is in another tab; this one must not take it back by a reload alone.
      this.#remember({ joined: false, screen: false });
    } else if (engine.phase.name === 'refused' && engine.phase.code === 'consent-needed') {
      // The class asks for it since this ticket was made: the green room does, by a new one.
      this.#remember({ joined: false, consents: false });
      this.reopen({ fresh: true });
    } else if (name === 'refused') {
      // A reload leads to the green room, where what was refused can be changed.
      this.#remember({ joined: false });
    } else if (name === 'joined' && before === 'joined') {
      const { camera, microphone, screen } = engine.publishing;
      const now = {
        camera: camera !== 'off',
        microphone: microphone !== 'off',
        screen: screen !== 'off' || this.#room?.screenLost === true,
      };
      const memory = this.#memory;
      if (
        memory?.camera !== now.camera ||
        memory.microphone !== now.microphone ||
        memory.screen !== now.screen
      ) {
        this.#remember(now);
      }
    }
  }

  #remember(change: Partial<TabMemory>): void {
    if (this.#memory === undefined) return;
    this.#memory = { ...this.#memory, ...change };
    this.#save();
  }

  #save(): void {
    if (this.#memory !== undefined) remember(this.#ports.tab, this.lessonId, this.#memory);
  }
}
