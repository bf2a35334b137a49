// What the page and the worker that encodes say to each other.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import type { EncoderStats } from '../../engine/ports.ts';

export type ToWorker =
  | { readonly type: 'open'; readonly address: string }
  | {
      readonly type: 'video';
      /** Null: nothing is shown. Transferred. */
      readonly frames: ReadableStream<VideoFrame> | null;
      readonly source: 'camera' | 'screen';
    }
  | {
      readonly type: 'audio';
      readonly samples: ReadableStream<AudioData> | null;
      /** In bit/s. */
      readonly bps: number;
    }
  | { readonly type: 'close' };

export type FromWorker =
  | { readonly type: 'state'; readonly state: 'connecting' | 'open' }
  | { readonly type: 'stats'; readonly stats: EncoderStats }
  | { readonly type: 'notice'; readonly notice: PublisherNotice }
  | { readonly type: 'refused'; readonly code: ErrorCode };
