// The codecs of every room. H.264 first: it goes to the audience as it is. VP8 is for browsers
// without H.264 (RFC 7742 asks every browser for one of the two).
import type { types } from 'mediasoup';

export const FEEDBACK = [
  { type: 'nack' },
  { type: 'nack', parameter: 'pli' },
  { type: 'ccm', parameter: 'fir' },
  { type: 'transport-cc' },
] satisfies types.RtcpFeedback[];

/** Constrained baseline, level 3.1 (RFC 6184 §8.1): no B-frames, so it repackages without transcoding. */
export const H264 = {
  mimeType: 'video/H264',
  parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
};

export const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  { kind: 'video', ...H264, clockRate: 90_000, rtcpFeedback: FEEDBACK },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000, rtcpFeedback: FEEDBACK },
];

export const ABS_CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';

/**
 * What the gateway takes: the same codecs, with NACK and PLI but without RTX or bandwidth estimation,
 * and of the header extensions only the capture clock.
 */
export function feedCapabilities(router: types.RtpCapabilities): types.RtpCapabilities {
  const wanted = (feedback: types.RtcpFeedback) => feedback.type === 'nack' || feedback.type === 'ccm';
  return {
    codecs: (router.codecs ?? [])
      .filter(({ mimeType }) => !mimeType.toLowerCase().endsWith('/rtx'))
      .map((codec) => ({ ...codec, rtcpFeedback: (codec.rtcpFeedback ?? []).filter(wanted) })),
    headerExtensions: (router.headerExtensions ?? []).filter(({ uri }) => uri === ABS_CAPTURE_TIME),
  };
}
