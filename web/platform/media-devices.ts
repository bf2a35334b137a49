// Cameras, microphones, speakers and screens of a real browser (W3C mediacapture-main, screen-capture).
import { expected } from '#shared/expected.ts';
import {
  DeviceError,
  type CaptureKind,
  type DeviceInfo,
  type DeviceKind,
  type MediaDevicesPort,
  type ScreenCapture,
} from '../engine/ports.ts';

const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
/** 1080 lines are what text needs; more costs every viewer. */
const SCREEN = { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: 30, max: 30 } };
/** A film's sound must not be cleaned like a voice. */
const SCREEN_AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const KINDS: Readonly<Record<MediaDeviceKind, DeviceKind>> = {
  videoinput: 'camera',
  audioinput: 'microphone',
  audiooutput: 'speaker',
};

/** The browser's devices. Without a secure context there are none, and every opening says so. */
export function browserDevices(): MediaDevicesPort {
  // Undefined over plain http, whatever the DOM's types say.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  const opener = new Opener((constraints) => navigator.mediaDevices.getUserMedia(constraints));
  return {
    canShareScreen: typeof devices?.getDisplayMedia === 'function',
    canChooseSpeaker: 'setSinkId' in HTMLMediaElement.prototype,

    async enumerate(): Promise<DeviceInfo[]> {
      const all = (await devices?.enumerateDevices().catch(() => [])) ?? [];
      return all
        .filter((device) => device.deviceId !== '')
        .map((device) => ({ id: device.deviceId, kind: KINDS[device.kind], label: device.label }));
    },

    open(kind: CaptureKind, deviceId?: string): Promise<MediaStreamTrack> {
      if (devices === undefined) return Promise.reject(new DeviceError('insecure'));
      const desired = {
        ...(kind === 'camera' ? CAMERA : MICROPHONE),
        ...(deviceId === undefined ? {} : { deviceId: { exact: deviceId } }),
      };
      return opener.open(kind, desired);
    },

    async openScreen(): Promise<ScreenCapture> {
      if (devices === undefined) throw new DeviceError('insecure');
      try {
        const stream = await devices.getDisplayMedia({ video: SCREEN, audio: SCREEN_AUDIO });
        const [video] = stream.getVideoTracks();
        if (video === undefined) throw new DeviceError('missing');
        return { video, audio: stream.getAudioTracks()[0] ?? null };
      } catch (error) {
        const problem = problemOf(error);
        throw problem.problem === 'denied' ? new DeviceError('dismissed', { cause: error }) : problem;
      }
    },

    async permission(kind) {
      try {
        // Chromium and Safari know these names; the DOM's types do not, Firefox says `TypeError`.
        const status = await navigator.permissions.query({ name: kind });
        return status.state;
      } catch {
        return 'prompt';
      }
    },

    onChange(listener) {
      devices?.addEventListener('devicechange', listener);
      const statuses = new Set<PermissionStatus>();
      let closed = false;
      for (const kind of ['camera', 'microphone']) {
        navigator.permissions
          ?.query({ name: kind as PermissionName })
          .then((status) => {
            if (closed) return;
            status.addEventListener('change', listener);
            statuses.add(status);
          })
          .catch(expected('a browser without this permission'));
      }
      return () => {
        closed = true;
        devices?.removeEventListener('devicechange', listener);
        for (const status of statuses) status.removeEventListener('change', listener);
      };
    },
  };
}

interface Opening {
  readonly desired: MediaTrackConstraints;
  readonly resolve: (track: MediaStreamTrack) => void;
  readonly reject: (error: DeviceError) => void;
}

/** Camera and microphone that are wanted in the same moment are one question to the person, not two. */
class Opener {
  readonly #capture: (constraints: MediaStreamConstraints) => Promise<MediaStream>;
  #waiting = new Map<CaptureKind, Opening>();

  constructor(capture: (constraints: MediaStreamConstraints) => Promise<MediaStream>) {
    this.#capture = capture;
  }

  /** Rejects with {@link DeviceError}. */
  open(kind: CaptureKind, desired: MediaTrackConstraints): Promise<MediaStreamTrack> {
    if (this.#waiting.size === 0) queueMicrotask(() => void this.#ask());
    // Another device of the same kind, chosen in the same moment: the later one counts.
    this.#waiting.get(kind)?.reject(new DeviceError('failed'));
    return new Promise((resolve, reject) => {
      this.#waiting.set(kind, { desired, resolve, reject });
    });
  }

  async #ask(): Promise<void> {
    const asked = this.#waiting;
    this.#waiting = new Map();
    if (asked.size > 1) {
      try {
        await this.#take(asked);
        return;
      } catch (error) {
        // One that is missing or busy must not keep the other away.
        const problem = problemOf(error);
        if (problem.problem === 'denied') {
          for (const opening of asked.values()) opening.reject(problem);
          return;
        }
      }
    }
    for (const [kind, opening] of asked) {
      this.#take(new Map([[kind, opening]])).catch((error: unknown) => opening.reject(problemOf(error)));
    }
  }

  async #take(asked: ReadonlyMap<CaptureKind, Opening>): Promise<void> {
    const camera = asked.get('camera');
    const microphone = asked.get('microphone');
    const stream = await this.#capture({
      ...(camera === undefined ? {} : { video: camera.desired }),
      ...(microphone === undefined ? {} : { audio: microphone.desired }),
    });
    const [video] = stream.getVideoTracks();
    const [audio] = stream.getAudioTracks();
    if ((camera !== undefined && video === undefined) || (microphone !== undefined && audio === undefined)) {
      throw new DeviceError('missing');
    }
    if (video !== undefined) camera?.resolve(video);
    if (audio !== undefined) microphone?.resolve(audio);
  }
}

/** Turns what the browser threw into something that a person can act on. */
function problemOf(error: unknown): DeviceError {
  if (error instanceof DeviceError) return error;
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new DeviceError('denied', { cause: error });
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new DeviceError('missing', { cause: error });
    case 'NotReadableError':
    case 'AbortError':
      return new DeviceError('busy', { cause: error });
    default:
      return new DeviceError('failed', { cause: error });
  }
}
