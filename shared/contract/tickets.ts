// Signed values that carry trust from `school` to the other services, so that none asks a database
// during a class. Both are JWTs (RFC 7519) signed with HS256.
import { z } from 'zod';
import { Permission, Role } from '../domain/permissions.ts';
import { ChannelId, LessonId, PeerId, LessonTitle } from './ids.ts';

/** What an invitation link holds: the right to ask `school` for a ticket. Audience `lectern:invite`. */
export const INVITE_AUDIENCE = 'lectern:invite';
export const Invite = z.object({
  lesson: LessonId,
  role: z.union([Role, z.literal('audience')]),
});
export type Invite = z.infer<typeof Invite>;

/** What `sfu` verifies before it lets a socket in. Audience `lectern:room`. */
export const TICKET_AUDIENCE = 'lectern:room';
export const Ticket = z.object({
  /** The peer this ticket is for; a second tab with the same ticket takes over from the first. */
  sub: PeerId,
  room: LessonId,
  channel: ChannelId,
  title: LessonTitle,
  role: Role,
  permissions: z.array(Permission).max(Permission.options.length),
  /**
   * The invitation that it came from, as `inviteId` writes it: seats are counted for each. Tickets of
   * before have none.
   */
  invite: z.string().max(64).optional(),
  /** Expiry, in seconds since 1970. */
  exp: z.number().int().positive(),
});
export type Ticket = z.infer<typeof Ticket>;

/** Names the invitation of a lesson for this role; `version` counts how often its link was replaced. */
export const inviteId = (role: Role, version: number): string => `${role}.${version}`;

/** The longest JWT that is looked at, in characters. */
export const MAX_TOKEN_LENGTH = 2_000;
