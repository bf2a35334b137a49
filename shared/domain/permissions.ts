// Who may do what in a room: what each role starts with, plus what a teacher granted or revoked for one person.
import { z } from 'zod';
import type { PermissionSpec } from '../contract/features/feature.ts';
import { FEATURE_PERMISSIONS } from '../contract/features/index.ts';
import { type Role } from './roles.ts';

const PERMISSIONS = {
  ...FEATURE_PERMISSIONS,
  'peer:manage': { roles: ['teacher', 'assistant'], grantable: false },
  'room:close': { roles: ['teacher'], grantable: false },
} as const satisfies Readonly<Record<string, PermissionSpec>>;

type Name = keyof typeof PERMISSIONS;
const NAMES = Object.keys(PERMISSIONS) as [Name, ...Name[]];

export const Permission = z.enum(NAMES);
export type Permission = z.infer<typeof Permission>;

/** What a teacher or an assistant may grant to, or take from, one person while class is on. */
export const GRANTABLE: readonly Permission[] = NAMES.filter((name) => PERMISSIONS[name].grantable);

const startsWith = (role: Role): readonly Permission[] =>
  NAMES.filter((name) => (PERMISSIONS[name] as PermissionSpec).roles.includes(role));

/** What each role starts with. An auditor sees and hears, nothing else. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  teacher: startsWith('teacher'),
  assistant: startsWith('assistant'),
  student: startsWith('student'),
  auditor: startsWith('auditor'),
};
