// What is sent and how: codec choice, simulcast layers, bit rates. Pure.
import type { ProducerCodecOptions, RtpCapabilities, RtpCodecCapability } from 'mediasoup-client/types';
import type { TabSource } from '#shared/domain/sources.ts';

/** How one source is to be produced. */
export interface SendProfile {
  readonly encodings?: {
    maxBitrate: number;
    maxFramerate?: number;
    scaleResolutionDownBy?: number;
    scalabilityMode: string;
  }[];
  readonly codecOptions: ProducerCodecOptions;
  readonly degradationPreference?: RTCDegradationPreference;
  /** What the encoder should spend its bits on (MediaStreamTrack content hints, W3C mst-content-hint). */
  readonly contentHint: string;
}

/** Bits per second of the camera's layers, smallest first: 320×180, 640×360, 1280×720. */
const CAMERA_BITRATES = [150_000, 500_000, 1_800_000] as const;
const CAMERA_FPS = 30;
const SCREEN_BITRATE = 2_500_000;
const SCREEN_FPS = 30;
const VOICE_BITRATE = 48_000;
const SCREEN_AUDIO_BITRATE = 128_000;
/** Where the sender's bandwidth estimate begins, in kbit/s: high enough for the top layer to come up at once. */
const START_KBPS = 2_000;

/**
 * One layer for each halving that is still worth looking at: three from 720 lines, two from 360, else one.
 * A single temporal layer: Chromium's H.264 encoder has no way to signal more to the SFU, and the gateway
 * wants every frame of a layer.
 */
export function cameraEncodings(heightPx: number): NonNullable<SendProfile['encodings']> {
  const count = heightPx >= 720 ? 3 : heightPx >= 360 ? 2 : 1;
  return CAMERA_BITRATES.slice(0, count).map((maxBitrate, index) => ({
    maxBitrate,
    maxFramerate: CAMERA_FPS,
    scaleResolutionDownBy: 2 ** (count - 1 - index),
    scalabilityMode: 'L1T1',
  }));
}

/** How `source` is sent; `heightPx` is what its track delivers. */
export function sendProfile(source: TabSource, heightPx = 720): SendProfile {
  switch (source) {
    case 'camera':
      return {
        encodings: cameraEncodings(heightPx),
        codecOptions: { videoGoogleStartBitrate: START_KBPS },
        // Fewer frames rather than a smaller picture: every change of size costs each viewer a new
        // initialisation segment. Layers that the uplink cannot carry are dropped whole.
        degradationPreference: 'maintain-resolution',
        contentHint: 'motion',
      };
    case 'screen':
      return {
        encodings: [{ maxBitrate: SCREEN_BITRATE, maxFramerate: SCREEN_FPS, scalabilityMode: 'L1T1' }],
        codecOptions: { videoGoogleStartBitrate: START_KBPS },
        degradationPreference: 'maintain-resolution',
        contentHint: 'detail',
      };
    case 'microphone':
      return {
        codecOptions: {
          opusStereo: false,
          opusFec: true,
          // A pause in speech that sends nothing looks like a loss for a quarter of a second: every player of
          // the broadcast would have to stay that much further behind. Silence costs a few bytes.
          opusDtx: false,
          opusMaxAverageBitrate: VOICE_BITRATE,
        },
        contentHint: 'speech',
      };
    case 'screen-audio':
      return {
        codecOptions: {
          opusStereo: true,
          opusFec: true,
          opusDtx: false,
          opusMaxAverageBitrate: SCREEN_AUDIO_BITRATE,
        },
        contentHint: 'music',
      };
  }
}

/**
 * The codec to send video with: H.264 in packetisation mode 1 (RFC 6184), which the audience gets
 * without a transcode, constrained baseline before others; VP8 where a browser has no H.264.
 * Undefined if the room and this browser have neither in common.
 */
export function videoCodec(capabilities: RtpCapabilities): RtpCodecCapability | undefined {
  const codecs = capabilities.codecs ?? [];
  const h264 = codecs
    .filter((codec) => codec.mimeType.toLowerCase() === 'video/h264')
    .filter((codec) => Number(codec.parameters?.['packetization-mode']) === 1)
    .sort((a, b) => h264Rank(a) - h264Rank(b));
  return h264[0] ?? codecs.find((codec) => codec.mimeType.toLowerCase() === 'video/vp8');
}

function h264Rank(codec: RtpCodecCapability): number {
  const profile: unknown = codec.parameters?.['profile-level-id'];
  const order = ['42e0', '4200', '4d00', '64'];
  const found = order.findIndex(
    (prefix) => typeof profile === 'string' && profile.toLowerCase().startsWith(prefix),
  );
  return found === -1 ? order.length : found;
}
