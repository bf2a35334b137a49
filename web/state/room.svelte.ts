// The room from the inside, for the view: what there is to see, and what can be done.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { PeerView } from '#shared/contract/signalling.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import { GRANTABLE, type Permission } from '#shared/domain/permissions.ts';
import { mayManage } from '#shared/domain/roles.ts';
import type { Source } from '#shared/domain/sources.ts';
import type { Classroom } from '../engine/classroom.ts';
import type { CreateFeature } from '../engine/feature.ts';
import type { TileSize } from '../engine/layers.ts';
import type { RemoteMedia } from '../engine/subscriptions.ts';

export type { TileSize } from '../engine/layers.ts';
export type { RemoteMedia } from '../engine/subscriptions.ts';
export type { PeerView } from '#shared/contract/signalling.ts';
export { GRANTABLE, type Permission } from '#shared/domain/permissions.ts';

/** Something that can be asked of the server and may be refused, by a word of the one who asks. */
export type Act = string;

/** What the room needs of its tab. */
export interface RoomTab {
  readonly links: { readonly student: string; readonly watch: string } | null;
  /** Whether the tab shared a screen before it was loaded again. */
  readonly screenLost: boolean;
  /** The person knows that the screen is not shared any more, or shares one again. */
  readonly onScreenSettled: () => void;
}

export class RoomState {
  #links: RoomTab['links'] = $state.raw(null);
  /** What the ticket allows, before the room has its say. */
  readonly #ticketPermissions: readonly Permission[];
  readonly #engine: Classroom;
  readonly #onScreenSettled: () => void;
  #screenLost: boolean = $state(false);
  #version = $state(0);
  /** When this tab lost its connection, in ms since 1970 by this machine's clock. */
  #lostAtMs: number | null = null;
  /** The broadcast whose end the person knows of. */
  #settledEnd = $state<string | null>(null);
  #busy = $state.raw<Act | null>(null);
  #refusal = $state.raw<{ readonly act: Act; readonly code: ErrorCode } | null>(null);

  constructor(engine: Classroom, ticketPermissions: readonly Permission[], tab: RoomTab) {
    this.#engine = engine;
    this.#ticketPermissions = ticketPermissions;
    this.#links = tab.links;
    this.#screenLost = tab.screenLost;
    this.#onScreenSettled = tab.onScreenSettled;
    engine.on('changed', () => {
      this.#version += 1;
      this.#lostAtMs = engine.phase.name === 'reconnecting' ? (this.#lostAtMs ?? Date.now()) : null;
      if (engine.publishing.screen !== 'off') this.settleScreen();
    });
  }

  readonly phase = $derived.by(() => this.#read((engine) => engine.phase));
  readonly room = $derived.by(() => this.#read((engine) => engine.room.room));
  readonly you = $derived.by(() => this.#read((engine) => engine.room.you));
  readonly peers: readonly PeerView[] = $derived.by(() => this.#read((engine) => engine.room.peers));
  readonly way = $derived.by(() => this.#read((engine) => engine.outgoing.way));
  readonly producers: readonly ProducerView[] = $derived.by(() =>
    this.#withoutOwn(this.#read((engine) => engine.producers)),
  );
  readonly media: readonly RemoteMedia[] = $derived.by(() =>
    this.#withoutOwn(this.#read((engine) => engine.media.list)),
  );
  readonly present = $derived.by(() => this.#read((engine) => engine.room.present));
  readonly uplink = $derived.by(() => this.#read((engine) => engine.uplink));
  readonly mediaBlocked = $derived.by(() => this.#read((engine) => engine.mediaBlocked));
  readonly camera = $derived.by(() => this.#read((engine) => engine.publishing.camera));
  readonly microphone = $derived.by(() => this.#read((engine) => engine.publishing.microphone));
  readonly screen = $derived.by(() => this.#read((engine) => engine.publishing.screen));
  readonly screenTrack = $derived.by(() => this.#read((engine) => engine.publishing.screenTrack));

  /** The links to hand out; null for those who do not. */
  get links(): RoomTab['links'] {
    return this.#links;
  }

  setLinks(links: RoomTab['links']): void {
    this.#links = links;
  }

  /** True from going live to the end, interruptions included. */
  readonly isOnAir = $derived(['starting', 'live', 'interrupted'].includes(this.room?.broadcast.state ?? ''));
  /** True if nothing that is to be sent leaves anybody here. */
  readonly sendsNothing = $derived(this.producers.every(({ paused }) => paused));
  /** True if somebody else who teaches is connected, or a program publishes. */
  readonly othersTeach = $derived(
    this.peers.some(
      ({ id, role, state }) =>
        id !== this.you?.id &&
        state === 'present' &&
        (id === ENCODER_ID || role === 'teacher' || role === 'assistant'),
    ),
  );
  /** True if everyone who teaches lost the connection: what is seen of them stands still. */
  readonly teachersLost = $derived.by(() => {
    const staff = this.peers.filter(({ role }) => role === 'teacher' || role === 'assistant');
    return staff.length > 0 && staff.every(({ state }) => state === 'away');
  });
  /**
   * When the broadcast ends because nobody who teaches is connected, by this machine's clock; null while
   * it need not. A tab that lost its own connection knows how long it is waited for.
   */
  readonly waitEndsAtMs = $derived.by(() => {
    const broadcast = this.room?.broadcast;
    if (broadcast === undefined || !this.isOnAir) return null;
    if (this.phase.name === 'reconnecting') {
      const lostAtMs = this.#read((engine) => (engine.outgoing.connected ? null : this.#lostAtMs));
      const { waitMs } = broadcast;
      return lostAtMs === null || waitMs === null || this.othersTeach ? null : lostAtMs + waitMs;
    }
    return broadcast.waitEndsAtMs === null ? null : broadcast.waitEndsAtMs - this.serverTime(0);
  });
  /** True if the last broadcast ended because nobody was there, and the person has not settled that yet. */
  readonly endedAbsent = $derived.by(() => {
    const broadcast = this.room?.broadcast;
    return broadcast?.end === 'absent' && broadcast.id !== this.#settledEnd;
  });

  /** The person knows how the last broadcast ended. */
  settleEnd(): void {
    this.#settledEnd = this.room?.broadcast.id ?? null;
  }

  /** The server's clock, in ms since 1970, when this machine's says `nowMs`. */
  serverTime(nowMs: number): number {
    return nowMs + this.#read((engine) => engine.room.clockOffsetMs);
  }

  /** True if a reload ended the sharing of our screen, and the person has not settled that yet. */
  get screenLost(): boolean {
    return this.#screenLost && this.may('publish:screen');
  }

  /** The person knows, or shares again. */
  settleScreen(): void {
    if (!this.#screenLost) return;
    this.#screenLost = false;
    this.#onScreenSettled();
  }

  may(permission: Permission): boolean {
    return (this.you?.permissions ?? this.#ticketPermissions).includes(permission);
  }

  /** True if we may mute, permit or remove this person. */
  manages(peer: PeerView): boolean {
    return this.you !== null && this.may('peer:manage') && mayManage(this.you.role, peer.role);
  }

  /** What a feature made of this class. Read again each time, it is reactive: `$derived(room.feature(x).list)`. */
  feature<Part>(create: CreateFeature<Part>): Part {
    return this.#read((engine) => engine.feature(create));
  }

  /** What is being asked of the server now. */
  get busy(): Act | null {
    return this.#busy;
  }

  /** What the server refused last; null when the next thing is asked. */
  get refusal(): { readonly act: Act; readonly code: ErrorCode } | null {
    return this.#refusal;
  }

  toggleCamera(): void {
    void this.#engine.publishing.setCamera(this.#engine.publishing.camera === 'off');
  }

  toggleMicrophone(): void {
    void this.#engine.publishing.setMicrophone(this.#engine.publishing.microphone === 'off');
  }

  toggleScreen(): void {
    if (this.#engine.publishing.screen === 'off') void this.#engine.publishing.shareScreen();
    else this.#engine.publishing.stopScreen();
  }

  shown(key: string, size: TileSize): void {
    this.#engine.media.shown(key, size);
  }

  goLive(): Promise<void> {
    return this.ask('go-live', () => this.#engine.request('broadcast:start', {}));
  }

  stopBroadcast(): Promise<void> {
    return this.ask('stop', () => this.#engine.request('broadcast:stop', {}));
  }

  /** What a press of the switch of the recording does now. */
  get recordingAct(): 'record' | 'pause' | 'resume' | 'leaveOut' {
    const choice = this.room?.broadcast.recordingChoice;
    if (choice === 'on') return this.isOnAir ? 'pause' : 'leaveOut';
    return choice === 'paused' ? 'resume' : 'record';
  }

  /** True if this person may switch it. */
  get maySwitchRecording(): boolean {
    return (
      this.may('broadcast:control') && this.room !== null && this.room.broadcast.recordingMode !== 'always'
    );
  }

  toggleRecording(): Promise<void> {
    const choice = ({ record: 'on', resume: 'on', pause: 'paused', leaveOut: 'off' } as const)[
      this.recordingAct
    ];
    return this.ask('record', () => this.#engine.request('recording:choose', { choice }));
  }

  endClass(): Promise<void> {
    return this.ask('end', () => this.#engine.request('room:close', {}));
  }

  leave(): void {
    void this.#engine.leave();
  }

  /** Gives or takes one permission of one person. */
  permit(peer: PeerView, permission: Permission, allowed: boolean): Promise<void> {
    const kept = peer.permissions.filter((one) => GRANTABLE.includes(one) && one !== permission);
    const permissions = allowed ? [...kept, permission] : kept;
    return this.ask('manage', () => this.#engine.request('peer:permit', { peerId: peer.id, permissions }));
  }

  mute(peer: PeerView, source: Source): Promise<void> {
    return this.ask('manage', () => this.#engine.request('peer:mute', { peerId: peer.id, source }));
  }

  remove(peer: PeerView): Promise<void> {
    return this.ask('manage', () => this.#engine.request('peer:remove', { peerId: peer.id }));
  }

  /** Asks something of the server; a refusal is shown. Resolves in any case. */
  async ask(act: Act, request: () => Promise<unknown>): Promise<void> {
    this.#busy = act;
    this.#refusal = null;
    try {
      await request();
    } catch (error) {
      this.#refusal = { act, code: codeOf(error) };
    } finally {
      this.#busy = null;
    }
  }

  /** What is encoded here comes back to us as another's: an echo. */
  #withoutOwn<T extends { readonly source: Source }>(all: readonly T[]): readonly T[] {
    return this.way.name === 'webrtc' ? all : all.filter(({ source }) => !source.startsWith('encoder'));
  }

  #read<T>(get: (engine: Classroom) => T): T {
    void this.#version;
    return get(this.#engine);
  }
}
