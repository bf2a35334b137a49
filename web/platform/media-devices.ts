// Cameras, microphones, speakers and screens of a real browser (W3C mediacapture-main, screen-capture).
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
  return {
    canShareScreen: typeof devices?.getDisplayMedia === 'function',
    canChooseSpeaker: 'setSinkId' in HTMLMediaElement.prototype,

    async enumerate(): Promise<DeviceInfo[]> {
      const all = (await devices?.enumerateDevices().catch(() => [])) ?? [];
      return all
        .filter((device) => device.deviceId !== '')
        .map((device) => ({ id: device.deviceId, kind: KINDS[device.kind], label: device.label }));
    },

    async open(kind: CaptureKind, deviceId?: string): Promise<MediaStreamTrack> {
      if (devices === undefined) throw new DeviceError('insecure');
      const wish = {
        ...(kind === 'camera' ? CAMERA : MICROPHONE),
        ...(deviceId === undefined ? {} : { deviceId: { exact: deviceId } }),
      };
      try {
        const stream = await devices.getUserMedia(kind === 'camera' ? { video: wish } : { audio: wish });
        const [track] = stream.getTracks();
        if (track === undefined) throw new DeviceError('missing');
        return track;
      } catch (error) {
        throw problemOf(error);
      }
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
          .catch(() => undefined);
      }
      return () => {
        closed = true;
        devices?.removeEventListener('devicechange', listener);
        for (const status of statuses) status.removeEventListener('change', listener);
      };
    },
  };
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
