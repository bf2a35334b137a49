// The one currency of the gateway: every source becomes these, every output is made of them.

/** How wide a pixel is, to how high it is: `[64, 45]` of PAL that is shown as 16:9, `[1, 1]` of most others. */
export type PixelAspect = readonly [number, number];

/** H.264 decoder configuration (ISO/IEC 14496-15 §5.3.3.1). The same object while nothing changes. */
export interface AvcConfig {
  readonly codec: 'h264';
  /** RFC 6381 name, e.g. `avc1.42e01f`. */
  readonly codecString: string;
  /** As coded, in pixels; see `displaySize` in avc.ts for how it is shown. */
  readonly width: number;
  readonly height: number;
  readonly pixelAspect: PixelAspect;
  /** The one that all of this is read from. */
  readonly sps: Uint8Array;
  /** All parameter sets, sequence before picture: pictures name theirs by its number. */
  readonly sets: readonly Uint8Array[];
  /** The AVCDecoderConfigurationRecord, as FLV's sequence header and MP4's `avcC` carry it. */
  readonly record: Uint8Array;
}

export type AudioCodec = 'aac' | 'opus';

/** Audio decoder configuration. The same object while nothing changes. */
export interface AudioConfig {
  readonly codec: AudioCodec;
  /** RFC 6381 name: `mp4a.40.2` or `opus`. */
  readonly codecString: string;
  readonly sampleRate: number;
  readonly channels: number;
  /** AAC: AudioSpecificConfig (ISO/IEC 14496-3 §1.6). Opus: the payload of `dOps`. */
  readonly description: Uint8Array;
}

export interface VideoFrame {
  readonly kind: 'video';
  /** On the broadcast's timeline, which starts at 0 and never goes back, in µs. */
  readonly ptsUs: number;
  readonly dtsUs: number;
  /** True for an IDR picture. */
  readonly key: boolean;
  /**
   * NAL units, each behind a 4-byte length; no AUD, and no parameter sets but those that change before a picture
   * that is no key frame.
   */
  readonly data: Uint8Array;
  readonly config: AvcConfig;
  /** Made here in place of a picture that is missing. */
  readonly isFiller?: true;
}

export interface AudioFrame {
  readonly kind: 'audio';
  readonly ptsUs: number;
  readonly durationUs: number;
  /** One raw access unit: AAC without ADTS, or one Opus packet. */
  readonly data: Uint8Array;
  readonly config: AudioConfig;
  /** Silence, made here in place of sound that is missing. */
  readonly isFiller?: true;
}

export type Frame = VideoFrame | AudioFrame;
