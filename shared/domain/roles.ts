// What somebody is in a room, and who may manage whom.
import { z } from 'zod';

export const Role = z.enum(['teacher', 'assistant', 'student', 'auditor']);
export type Role = z.infer<typeof Role>;

/** True for those whom a class cannot go without. */
export const teaches = (role: Role): boolean => role === 'teacher' || role === 'assistant';

/** True if a member of role `actor` may remove, mute or permit a member of role `target`. */
export function mayManage(actor: Role, target: Role): boolean {
  if (actor === 'teacher') return target !== 'teacher';
  if (actor === 'assistant') return target === 'student' || target === 'auditor';
  return false;
}
