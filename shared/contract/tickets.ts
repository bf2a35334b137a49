// Signed values that carry trust from `school` to the other services, so that none asks a database
// during a class. Both are JWTs (RFC 7519) signed with HS256.
import { z } from 'zod';
import { Permission } from '../domain/permissions.ts';
import { RecordingMode } from '../domain/recording.ts';
import { Role } from '../domain/roles.ts';
import { ChannelId, LessonId, PeerId, LessonTitle } from './ids.ts';
import { LinkVersion, type LinkName } from './links.ts';

/** What an invitation link holds: the right to ask `school` for a ticket. Audience `lectern:invite`. */
export const INVITE_AUDIENCE = 'lectern:invite';
export const Invite = z.object({
  lesson: LessonId,
  role: z.union([Role, z.literal('audience')]),
  /** Counts how often the lesson's link for this role was replaced before this one was made. */
  version: LinkVersion.default(0),
});
export type Invite = z.infer<typeof Invite>;

/** Which link brings in which role. */
export const LINK_OF: Readonly<Record<Invite['role'], LinkName>> = {
  teacher: 'teacher',
  assistant: 'assistant',
  student: 'student',
  auditor: 'student',
  audience: 'watch',
};

const INVITE_ID = new RegExp(`^(${Role.options.join('|')})\.(0|[1-9]\d{0,5})$`);
/** As `inviteId` writes it, e.g. `student.3`. */
const InviteId = z.string().regex(INVITE_ID);

/** What `sfu` verifies before it lets a socket in. Audience `lectern:room`. */
export const TICKET_AUDIENCE = 'lectern:room';
export const Ticket = z.object({
  /** The peer this ticket is for; a second tab with the same ticket takes over from the first. */
  sub: PeerId,
  room: LessonId,
  channel: ChannelId,
  title: LessonTitle,
  /** Whether the lesson's broadcasts are recorded. */
  recording: RecordingMode.optional(),
  /** Who comes in by it has to agree to be recorded. */
  asksConsent: z.boolean().optional(),
  role: Role,
  permissions: z.array(Permission).max(Permission.options.length),
  /**
   * The invitation that it came from, as `inviteId` writes it: seats are counted for each, and it may be
   * withdrawn. Tickets of before have none.
   */
  invite: InviteId.optional(),
  /** Expiry, in seconds since 1970. */
  exp: z.number().int().positive(),
});
export type Ticket = z.infer<typeof Ticket>;

/** Names the invitation of a lesson for this role; `version` counts how often its link was replaced. */
export const inviteId = (role: Role, version: number): string => `${role}.${version}`;

/** The invitation that a ticket came from; the first of its role where it does not say. */
export const inviteOf = ({ invite, role }: Pick<Ticket, 'invite' | 'role'>): string =>
  invite ?? inviteId(role, 0);

/** The link that was behind an invitation, and how often it had been replaced. */
export function parseInvite(invite: string): { readonly link: LinkName; readonly version: number } {
  const [role, version] = invite.split('.');
  return { link: LINK_OF[Role.parse(role)], version: Number(version) };
}

/** The longest JWT that is looked at, in characters. */
export const MAX_TOKEN_LENGTH = 2_000;
