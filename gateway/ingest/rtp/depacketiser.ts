// What the depacketisers have in common: packets in, whole frames out.

export interface VideoPacket {
  /** Unwrapped RTP time. */
  readonly ticks: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/** One whole coded frame, as the sender's encoder made it. */
export interface CodedVideoFrame<Config> {
  readonly ticks: number;
  readonly key: boolean;
  readonly data: Uint8Array;
  readonly config: Config;
}

export interface Depacketiser {
  /**
   * Takes the next packet in order; `lost` is how many before it never came. After a loss nothing is
   * given out until a whole key frame, because every other picture builds on what is gone.
   */
  addPacket(packet: VideoPacket, lost: number): void;
  /** True while only a key frame is of use. */
  readonly needsKey: boolean;
}

/** Larger frames than this are malformed data, in bytes. */
export const MAX_VIDEO_FRAME_BYTES = 4 * 1024 * 1024;
