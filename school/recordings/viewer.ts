// Who asks for a replay, and what of it they may have.
import { LecternError } from '#shared/contract/errors.ts';
import type { Invite } from '#shared/contract/tickets.ts';
import type { ShareRow } from './shares.ts';

/** The owner, who may see all; somebody with a link of the lesson; or with a link to one recording. */
export type ReplayViewer =
  | { readonly kind: 'owner' }
  | { readonly kind: 'invited'; readonly invite: Invite }
  | { readonly kind: 'shared'; readonly share: ShareRow };

/**
 * Throws LecternError `ticket-invalid` if the link is for another lesson than that of the replay, or for a recording that
 * is none of its `parts`.
 */
export function requireReplay(viewer: ReplayViewer, lesson: string, parts: readonly string[]): void {
  const isTheirs =
    viewer.kind === 'owner' ||
    (viewer.kind === 'invited' ? viewer.invite.lesson === lesson : parts.includes(viewer.share.recording));
  if (!isTheirs) throw new LecternError('ticket-invalid');
}

/** Whether they are shown what was written in the class. */
export const seesChat = (viewer: ReplayViewer): boolean =>
  viewer.kind !== 'shared' || viewer.share.chat === 1;

/** Whether they are offered files; the audience is not where there is a mark over the picture. */
export const getsFiles = (viewer: ReplayViewer, watermark: string | null): boolean =>
  viewer.kind === 'owner' || (watermark === null && (viewer.kind !== 'shared' || viewer.share.files === 1));
