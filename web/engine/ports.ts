// What the classroom needs from the browser. `web/platform` implements these, so that the engine
// itself runs wherever JavaScript runs.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import type { PaceState } from './encoded/pace.ts';

export type DeviceKind = 'camera' | 'microphone' | 'speaker';
export type CaptureKind = 'camera' | 'microphone';

export interface DeviceInfo {
  readonly id: string;
  readonly kind: DeviceKind;
  /** Empty until the person has granted access once. */
  readonly label: string;
}

/** Why a device cannot be used, as a person can act on it. */
export type DeviceProblem =
  /** The person or a policy refused access. */
  | 'denied'
  /** There is none. */
  | 'missing'
  /** Another program holds it. */
  | 'busy'
  /** The page was not opened over https (or localhost), so the browser gives no devices at all. */
  | 'insecure'
  /** It was in use and is unplugged now. */
  | 'unplugged'
  /** What kept it away is over; a press opens it. */
  | 'ready'
  | 'failed';

/** Thrown by {@link MediaDevicesPort}. `dismissed`: the person closed the screen picker. */
export class DeviceError extends Error {
  readonly problem: DeviceProblem | 'dismissed';

  constructor(problem: DeviceProblem | 'dismissed', options?: ErrorOptions) {
    super(`device ${problem}`, options);
    this.name = 'DeviceError';
    this.problem = problem;
  }
}

export interface ScreenCapture {
  readonly video: MediaStreamTrack;
  /** The sound of the shared tab or system, where the person ticked it. */
  readonly audio: MediaStreamTrack | null;
}

export interface MediaDevicesPort {
  readonly canShareScreen: boolean;
  readonly canChooseSpeaker: boolean;
  enumerate(): Promise<DeviceInfo[]>;
  /** Opens a device, the browser's own choice without `deviceId`. Rejects with {@link DeviceError}. */
  open(kind: CaptureKind, deviceId?: string): Promise<MediaStreamTrack>;
  /** Lets the person pick a screen, window or tab. Rejects with {@link DeviceError}. */
  openScreen(): Promise<ScreenCapture>;
  /** Whether access was granted; `prompt` also where the browser does not say. */
  permission(kind: CaptureKind): Promise<'granted' | 'denied' | 'prompt'>;
  /** Calls `listener` when a device came or went, or a permission changed. Returns the way out. */
  onChange(listener: () => void): () => void;
}

/** Keeps small texts; never throws (private windows refuse storage). */
export interface StorePort {
  get(key: string): string | null;
  /** Null removes the entry. */
  set(key: string, value: string | null): void;
}

/** Whether somebody looks at the page. */
export interface AttentionPort {
  readonly visible: boolean;
  /** The page is looked at again, perhaps after the lid was closed. */
  onVisible(listener: () => void): () => void;
}

export interface NetworkPort extends Pick<AttentionPort, 'onVisible'> {
  /** The machine is online again, or moved to another network. */
  onChange(listener: () => void): () => void;
}

export interface SoundPort {
  /** Tells the level of a microphone, 0 to 1, until the function it returns is called. */
  measureLevel(track: MediaStreamTrack, onLevel: (level: number) => void): () => void;
  /** Plays a short tune; resolves when it is over. */
  playTestSound(speakerId: string | undefined): Promise<void>;
  /** Sends an element's sound to a speaker; the default one where that is refused. */
  chooseSpeaker(element: HTMLMediaElement, speakerId: string | undefined): Promise<void>;
}

/** What leaves an encoder of this tab. */
export interface EncoderStats {
  readonly pace: PaceState;
  /** How long what waits to be sent takes to leave, in ms. */
  readonly waitingMs: number;
  /** Picture and sound, in bit/s. */
  readonly sentBps: number;
}

export interface EncoderEvents {
  readonly onState: (state: 'connecting' | 'open') => void;
  /** Once a second. */
  readonly onStats: (stats: EncoderStats) => void;
  /** What to change, in a sentence for people. */
  readonly onNotice: (notice: PublisherNotice) => void;
  /** It is over: the server refused it, or this browser cannot encode. */
  readonly onRefused: (code: ErrorCode) => void;
}

/** Encoding in the page, sent over one WebSocket (W3C webcodecs). */
export interface EncoderPort {
  /** This browser has what it takes. Whether it has H.264 too is found out when it starts. */
  readonly available: boolean;
  /** Connects to `address`, again and again until closed or refused. */
  open(address: string, events: EncoderEvents): OpenEncoder;
}

export interface OpenEncoder {
  /** The picture to send; null is none. The track stays its owner's. */
  setVideoTrack(track: MediaStreamTrack | null, source: 'camera' | 'screen'): void;
  /** The sounds to send, as one. */
  setAudioTracks(tracks: readonly MediaStreamTrack[]): void;
  close(): void;
}
