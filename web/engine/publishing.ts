// Joins the devices of this tab with what it publishes: one switch each for microphone, camera and screen.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { TabSource } from '#shared/domain/sources.ts';
import type { Devices, LocalDevice } from './devices.ts';
import { Emitter } from './emitter.ts';
import type { Outgoing } from './outgoing.ts';
import { DeviceError, type CaptureKind, type DeviceProblem, type ScreenCapture } from './ports.ts';

/** A switch as the person sees it. */
export type SwitchState = 'off' | 'starting' | 'on';

export interface PublishingEvents {
  changed: [];
  /** A device would not open. */
  blocked: [kind: CaptureKind | 'screen', problem: DeviceProblem];
  refused: [source: TabSource, code: ErrorCode];
}

/** Owns the screen capture; the devices and the publications are its caller's. */
export class Publishing extends Emitter<PublishingEvents> {
  readonly #devices: Devices;
  readonly #publications: Outgoing;
  readonly #offs: (() => void)[];
  /** What the person switched on; a lost membership does not change it. */
  readonly #on: Record<CaptureKind, boolean> = { camera: false, microphone: false };
  #screen: ScreenCapture | null = null;

  constructor(devices: Devices, publications: Outgoing) {
    super();
    this.#devices = devices;
    this.#publications = publications;
    this.#offs = [
      devices.on('track', (kind, track) => this.#trackChanged(kind, track)),
      devices.on('lost', (kind) => {
        this.#on[kind] = false;
        this.emit('changed');
      }),
      publications.on('changed', () => this.emit('changed')),
      publications.on('refused', (source, code) => {
        this.#dropped(source);
        this.emit('refused', source, code);
      }),
    ];
  }

  get camera(): SwitchState {
    return this.#switchState('camera', this.#devices.camera);
  }

  get microphone(): SwitchState {
    return this.#switchState('microphone', this.#devices.microphone);
  }

  get screen(): SwitchState {
    if (this.#screen === null) return 'off';
    return this.#publications.state('screen') === 'on' ? 'on' : 'starting';
  }

  /** The screen that is shared, to show it to its own sharer. */
  get screenTrack(): MediaStreamTrack | null {
    return this.#screen?.video ?? null;
  }

  /** Opens and publishes, or stops. A camera that is off gives its device back; a microphone stays open. */
  async setCamera(on: boolean): Promise<void> {
    this.#on.camera = on;
    if (on) {
      await this.#open('camera');
    } else {
      this.#publications.set('camera', { track: null, paused: true });
      this.#devices.stop('camera');
    }
    this.emit('changed');
  }

  async setMicrophone(on: boolean): Promise<void> {
    this.#on.microphone = on;
    const device = this.#devices.microphone;
    if (device.state === 'on') this.#publications.set('microphone', { track: device.track, paused: !on });
    else if (on) await this.#open('microphone');
    this.emit('changed');
  }

  /** Asks for a screen and publishes it, with its sound if there is any. A dismissed picker is no error. */
  async shareScreen(): Promise<void> {
    let capture: ScreenCapture;
    try {
      capture = await this.#devices.openScreen();
    } catch (error) {
      const problem = error instanceof DeviceError ? error.problem : 'failed';
      if (problem !== 'dismissed') this.emit('blocked', 'screen', problem);
      return;
    }
    this.stopScreen();
    this.#screen = capture;
    // The browser's own "Stop sharing" bar ends the track.
    capture.video.onended = () => this.stopScreen();
    this.#publications.set('screen', { track: capture.video, paused: false });
    if (capture.audio !== null) {
      this.#publications.set('screen-audio', { track: capture.audio, paused: false });
    }
    this.emit('changed');
  }

  stopScreen(): void {
    if (this.#screen === null) return;
    this.#screen.video.onended = null;
    this.#screen.video.stop();
    this.#screen.audio?.stop();
    this.#screen = null;
    this.#publications.set('screen', null);
    this.#publications.set('screen-audio', null);
    this.emit('changed');
  }

  /** The server closed one of ours (muted, permission revoked): its switch goes off, its device too. */
  closedByServer(source: TabSource): void {
    this.#dropped(source);
    this.emit('changed');
  }

  close(): void {
    for (const off of this.#offs) off();
    this.#on.camera = false;
    this.#on.microphone = false;
    this.stopScreen();
  }

  async #open(kind: CaptureKind): Promise<void> {
    const opening = this.#devices.start(kind);
    this.emit('changed');
    const device = await opening;
    if (device.state === 'on') {
      // Already open, for instance in the green room: no `track` event came.
      if (this.#on[kind]) this.#publications.set(kind, { track: device.track, paused: false });
    } else if (device.state === 'blocked') {
      this.#on[kind] = false;
      this.emit('blocked', kind, device.problem);
    }
  }

  #trackChanged(kind: CaptureKind, track: MediaStreamTrack | null): void {
    const state = this.#publications.state(kind);
    if (track !== null && this.#on[kind]) this.#publications.set(kind, { track, paused: false });
    else if (state !== 'off') this.#publications.set(kind, { track, paused: true });
    this.emit('changed');
  }

  #dropped(source: TabSource): void {
    if (source === 'camera' || source === 'microphone') {
      this.#on[source] = false;
      this.#publications.set(source, null);
      this.#devices.stop(source);
    } else {
      this.stopScreen();
    }
  }

  #switchState(kind: CaptureKind, device: LocalDevice): SwitchState {
    if (!this.#on[kind]) return 'off';
    if (device.state === 'opening') return 'starting';
    return device.state === 'on' ? 'on' : 'off';
  }
}
