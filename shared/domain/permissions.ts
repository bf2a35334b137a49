// Who may do what in a room: role × action, plus what a teacher granted or revoked for one person.
import { z } from 'zod';

export const Role = z.enum(['teacher', 'assistant', 'student', 'auditor']);
export type Role = z.infer<typeof Role>;

export const Permission = z.enum([
  'publish:camera',
  'publish:microphone',
  'publish:screen',
  'chat:send',
  'chat:moderate',
  'peer:manage',
  'broadcast:control',
  'room:close',
]);
export type Permission = z.infer<typeof Permission>;

/** What a teacher or an assistant may grant to, or take from, one person while class is on. */
export const GRANTABLE: readonly Permission[] = [
  'publish:camera',
  'publish:microphone',
  'publish:screen',
  'chat:send',
];

/** What each role starts with. An auditor sees and hears, nothing else. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  teacher: Permission.options,
  assistant: Permission.options.filter((permission) => permission !== 'room:close'),
  student: ['chat:send'],
  auditor: [],
};

/** True for those whom a class cannot go without. */
export const teaches = (role: Role): boolean => role === 'teacher' || role === 'assistant';

/** True if a member of role `actor` may remove, mute or permit a member of role `target`. */
export function mayManage(actor: Role, target: Role): boolean {
  if (actor === 'teacher') return target !== 'teacher';
  if (actor === 'assistant') return target === 'student' || target === 'auditor';
  return false;
}
