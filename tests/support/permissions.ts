// Permissions as a teacher gives them.
import { GRANTABLE, ROLE_PERMISSIONS, type Permission } from '#shared/domain/permissions.ts';
import type { Role } from '#shared/domain/roles.ts';

/** What somebody in `role` may do who was given `permissions`: what cannot be given or taken stays as it is. */
export const granted = (role: Role, permissions: readonly Permission[]): Permission[] => [
  ...ROLE_PERMISSIONS[role].filter((one) => !GRANTABLE.includes(one)),
  ...permissions,
];
