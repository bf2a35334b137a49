// Cameras, microphones and speakers: which there are, which one was chosen, and the local tracks that
// are open. A device that is denied, missing or pulled out is a state, never a dead end. It is opened by a
// press only: anyone who lost one may not want to be seen or heard when it is back.
import { Emitter } from './emitter.ts';
import {
  DeviceError,
  type CaptureKind,
  type DeviceInfo,
  type DeviceKind,
  type DeviceProblem,
  type MediaDevicesPort,
  type StorePort,
} from './ports.ts';

const CHOICE_KEY = 'lectern:device:';

export type LocalDevice =
  | { readonly state: 'off' }
  | { readonly state: 'opening' }
  | { readonly state: 'on'; readonly track: MediaStreamTrack }
  /** `lost`: it was on, and ended without the person wanting it. */
  | { readonly state: 'blocked'; readonly problem: DeviceProblem; readonly lost: boolean };

export interface DevicesEvents {
  /** Anything changed: lists, choices, states. */
  changed: [];
  /** The open track of a kind is another one now, or none. */
  track: [kind: CaptureKind, track: MediaStreamTrack | null];
  /** An open device ended by itself. */
  lost: [kind: CaptureKind];
}

const OFF: LocalDevice = { state: 'off' };

/** Owns the camera and the microphone of this tab. `close()` gives them back. */
export class Devices extends Emitter<DevicesEvents> {
  readonly canShareScreen: boolean;
  readonly canChooseSpeaker: boolean;
  readonly #port: MediaDevicesPort;
  readonly #store: StorePort;
  readonly #offChange: () => void;
  #list: readonly DeviceInfo[] = [];
  #local: Record<CaptureKind, LocalDevice> = { camera: OFF, microphone: OFF };
  /** Counts the openings of a kind, so that a late answer to an old one is thrown away. */
  #turn: Record<CaptureKind, number> = { camera: 0, microphone: 0 };
  #closed = false;

  constructor(port: MediaDevicesPort, store: StorePort) {
    super();
    this.#port = port;
    this.#store = store;
    this.canShareScreen = port.canShareScreen;
    this.canChooseSpeaker = port.canChooseSpeaker;
    this.#offChange = port.onChange(() => void this.#devicesChanged());
  }

  get camera(): LocalDevice {
    return this.#local.camera;
  }

  get microphone(): LocalDevice {
    return this.#local.microphone;
  }

  list(kind: DeviceKind): readonly DeviceInfo[] {
    return this.#list.filter((device) => device.kind === kind);
  }

  /** The device in use or to be used: the remembered one if it is there, else the first. */
  chosen(kind: DeviceKind): string | undefined {
    const inUse = kind === 'speaker' ? undefined : trackDevice(this.#local[kind]);
    const known = this.list(kind);
    const remembered = this.#store.get(CHOICE_KEY + kind);
    return (
      known.find((device) => device.id === inUse)?.id ??
      known.find((device) => device.id === remembered)?.id ??
      known[0]?.id
    );
  }

  /** Looks again which devices there are. */
  async refresh(): Promise<void> {
    const list = await this.#port.enumerate();
    if (this.#closed) return;
    this.#list = list;
    this.emit('changed');
  }

  /** Opens the chosen device; resolves when it is on or blocked. Opening what is open does nothing. */
  async start(kind: CaptureKind): Promise<LocalDevice> {
    const now = this.#local[kind];
    if (now.state === 'on' || now.state === 'opening') return now;
    return this.#open(kind, this.#store.get(CHOICE_KEY + kind) ?? undefined);
  }

  /** Remembers a device; switches to it at once if that kind is on or was blocked. */
  async choose(kind: DeviceKind, deviceId: string): Promise<void> {
    this.#store.set(CHOICE_KEY + kind, deviceId);
    if (kind === 'speaker' || this.#local[kind].state === 'off') this.emit('changed');
    else await this.#open(kind, deviceId);
  }

  /** Gives the device back; its light goes out. */
  stop(kind: CaptureKind): void {
    this.#turn[kind] += 1;
    const now = this.#local[kind];
    if (now.state === 'off') return;
    if (now.state === 'on') release(now.track);
    this.#set(kind, OFF);
    this.emit('track', kind, null);
  }

  /** Lets the person pick a screen. Rejects with {@link DeviceError}. */
  openScreen(): ReturnType<MediaDevicesPort['openScreen']> {
    return this.#port.openScreen();
  }

  close(): void {
    if (this.#closed) return;
    this.stop('camera');
    this.stop('microphone');
    this.#closed = true;
    this.#offChange();
  }

  async #open(kind: CaptureKind, deviceId: string | undefined): Promise<LocalDevice> {
    const turn = (this.#turn[kind] += 1);
    const before = this.#local[kind];
    if (before.state !== 'on') this.#set(kind, { state: 'opening' });
    let next: LocalDevice;
    try {
      next = { state: 'on', track: await this.#openOrDefault(kind, deviceId) };
    } catch (error) {
      const problem = error instanceof DeviceError ? error.problem : 'failed';
      const lost = before.state === 'blocked' && before.lost;
      next = { state: 'blocked', problem: problem === 'dismissed' ? 'denied' : problem, lost };
    }
    if (turn !== this.#turn[kind] || this.#closed) {
      if (next.state === 'on') release(next.track);
      return this.#local[kind];
    }
    if (next.state === 'blocked' && before.state === 'on') {
      // The other device would not open: the present one goes on.
      this.#set(kind, before);
      return before;
    }
    if (next.state === 'on') next.track.onended = () => void this.#ended(kind, 'unplugged');
    this.#set(kind, next);
    this.emit('track', kind, next.state === 'on' ? next.track : null);
    if (before.state === 'on') release(before.track);
    // Labels are known only after access was granted.
    void this.refresh();
    return next;
  }

  /** A remembered device that is gone is no reason to have none. */
  async #openOrDefault(kind: CaptureKind, deviceId: string | undefined): Promise<MediaStreamTrack> {
    try {
      return await this.#port.open(kind, deviceId);
    } catch (error) {
      const retry = error instanceof DeviceError && (error.problem === 'missing' || error.problem === 'busy');
      if (deviceId === undefined || !retry) throw error;
      return this.#port.open(kind);
    }
  }

  /** The device was pulled out, or access withdrawn. */
  async #ended(kind: CaptureKind, guess: DeviceProblem): Promise<void> {
    const before = this.#local[kind];
    if (before.state !== 'on') return;
    const turn = (this.#turn[kind] += 1);
    const deviceId = trackDevice(before);
    release(before.track);
    this.#set(kind, { state: 'blocked', problem: guess, lost: true });
    this.emit('track', kind, null);
    this.emit('lost', kind);
    if (guess === 'denied' || (await this.#port.permission(kind)) === 'granted') return;
    // A browser that does not say: without access the others have no names either.
    const others = (await this.#port.enumerate()).filter((device) => device.kind === kind);
    if (others.length > 0 && others.every(({ id }) => id !== deviceId)) return;
    if (turn === this.#turn[kind]) this.#set(kind, { state: 'blocked', problem: 'denied', lost: true });
  }

  async #devicesChanged(): Promise<void> {
    await this.refresh();
    for (const kind of ['camera', 'microphone'] as const) {
      const permission = await this.#port.permission(kind);
      const now = this.#local[kind];
      // Not every browser ends the track of a device whose permission is withdrawn.
      if (now.state === 'on' && permission === 'denied') await this.#ended(kind, 'denied');
      if (now.state !== 'blocked') continue;
      const isThere = this.list(kind).length > 0;
      const cured =
        now.problem === 'denied'
          ? permission === 'granted'
          : (now.problem === 'missing' || now.problem === 'unplugged') && isThere;
      if (cured) this.#set(kind, { ...now, problem: 'ready' });
      // It came and went again.
      else if (now.problem === 'ready' && !isThere) this.#set(kind, { ...now, problem: 'missing' });
      else if (now.problem === 'ready' && permission === 'denied')
        this.#set(kind, { ...now, problem: 'denied' });
    }
  }

  #set(kind: CaptureKind, device: LocalDevice): void {
    this.#local = { ...this.#local, [kind]: device };
    this.emit('changed');
  }
}

function trackDevice(device: LocalDevice): string | undefined {
  return device.state === 'on' ? device.track.getSettings().deviceId : undefined;
}

function release(track: MediaStreamTrack): void {
  track.onended = null;
  track.stop();
}
