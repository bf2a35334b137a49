// The phases of a membership, and what happens in it that is worth a word.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { Permission } from '#shared/domain/permissions.ts';
import type { TabSource } from '#shared/domain/sources.ts';
import type { PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { RETRYABLE } from './retryable.ts';
import type { CaptureKind, DeviceProblem } from './ports.ts';

export type Phase =
  /** Nothing is known yet. */
  | { readonly name: 'connecting' }
  /** The server greeted us; everything is prepared, nobody sees us. */
  | { readonly name: 'lobby' }
  | { readonly name: 'joining' }
  /** Somebody inside has to let us in. */
  | { readonly name: 'waiting' }
  | { readonly name: 'joined' }
  /** We were in and will be again. */
  | { readonly name: 'reconnecting' }
  | { readonly name: 'ended'; readonly reason: EndReason }
  | { readonly name: 'refused'; readonly code: ErrorCode };

export type EndReason = 'ended' | 'removed' | 'refused' | 'replaced' | 'left';

/** Where a refusal leads that will not pass by itself. */
export function refusedPhase(code: ErrorCode): Phase {
  if (code === 'room-closed') return { name: 'ended', reason: 'ended' };
  if (code === 'peer-removed') return { name: 'ended', reason: 'removed' };
  return { name: 'refused', code };
}

/** Something that happened and is worth a word. */
export type Notice =
  | { readonly type: 'peer-joined' | 'peer-left'; readonly names: readonly string[] }
  /** A feature's own: `key` says which, `names` whom it is about. */
  | { readonly type: 'feature'; readonly key: string; readonly names: readonly string[] }
  | { readonly type: 'granted' | 'revoked'; readonly permissions: readonly Permission[] }
  /** The server's advice about what is encoded here. */
  | { readonly type: 'advice'; readonly about: PublisherNotice }
  /** Sending over HTTPS ended for this reason; WebRTC is tried again. */
  | { readonly type: 'fell-back'; readonly code: ErrorCode }
  | { readonly type: 'muted'; readonly source: TabSource }
  | {
      readonly type: 'blocked';
      readonly kind: CaptureKind | 'screen';
      readonly problem: DeviceProblem;
    }
  | { readonly type: 'refused'; readonly source: TabSource; readonly code: ErrorCode };

/** A join that got no answer on a connection that stands is asked again after this many ms. */
export const JOIN_RETRY_MS = 2_000;
/** Refusals of a join that pass: it is asked again, after `conflict` on another socket. */
export const JOIN_RETRYABLE: ReadonlySet<ErrorCode> = new Set([...RETRYABLE, 'conflict']);
