// The devices of this tab, for the view.
import { expected } from '#shared/expected.ts';
import type { Devices, LocalDevice } from '../engine/devices.ts';
import type { CaptureKind, DeviceInfo, DeviceKind, SoundPort } from '../engine/ports.ts';

export type { LocalDevice } from '../engine/devices.ts';
export type { CaptureKind, DeviceInfo, DeviceKind, DeviceProblem } from '../engine/ports.ts';

export class DevicesState {
  readonly canShareScreen: boolean;
  readonly canChooseSpeaker: boolean;
  readonly #devices: Devices;
  readonly #sound: SoundPort;
  readonly #off: () => void;
  #version = $state(0);
  #level = $state(0);
  #testing = $state(false);

  constructor(devices: Devices, sound: SoundPort) {
    this.#devices = devices;
    this.#sound = sound;
    this.canShareScreen = devices.canShareScreen;
    this.canChooseSpeaker = devices.canChooseSpeaker;
    this.#off = devices.on('changed', () => (this.#version += 1));
    void devices.refresh();
  }

  readonly camera: LocalDevice = $derived.by(() => this.#read(() => this.#devices.camera));
  readonly microphone: LocalDevice = $derived.by(() => this.#read(() => this.#devices.microphone));

  list(kind: DeviceKind): readonly DeviceInfo[] {
    return this.#read(() => this.#devices.list(kind));
  }

  chosen(kind: DeviceKind): string | undefined {
    return this.#read(() => this.#devices.chosen(kind));
  }

  /** The microphone's level, 0 to 1, while {@link listen} runs. */
  get level(): number {
    return this.#level;
  }

  /** True while the test sound plays. */
  get testing(): boolean {
    return this.#testing;
  }

  start(kind: CaptureKind): void {
    void this.#devices.start(kind);
  }

  stop(kind: CaptureKind): void {
    this.#devices.stop(kind);
  }

  choose(kind: DeviceKind, deviceId: string): void {
    void this.#devices.choose(kind, deviceId);
  }

  /** Measures a microphone until the function it returns is called. */
  listen(track: MediaStreamTrack): () => void {
    const stop = this.#sound.measureLevel(track, (level) => (this.#level = level));
    return () => {
      stop();
      this.#level = 0;
    };
  }

  async testSpeaker(): Promise<void> {
    if (this.#testing) return;
    this.#testing = true;
    await this.#sound.playTestSound(this.#devices.chosen('speaker')).catch(expected('the speaker is gone'));
    this.#testing = false;
  }

  /** Lets an element sound on the chosen speaker. */
  route(element: HTMLMediaElement): void {
    void this.#sound.chooseSpeaker(element, this.chosen('speaker'));
  }

  close(): void {
    this.#off();
  }

  /** Reads from the engine and lets the reader follow its changes. */
  #read<T>(get: () => T): T {
    void this.#version;
    return get();
  }
}
