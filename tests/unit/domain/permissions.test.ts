// Who may do what, before a teacher grants or revokes anything.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GRANTABLE, Permission, ROLE_PERMISSIONS } from '#shared/domain/permissions.ts';
import { mayManage, Role } from '#shared/domain/roles.ts';
import { Source, SOURCES } from '#shared/domain/sources.ts';

describe('roles', () => {
  it('let those who teach do all but what is a student’s alone, an assistant not end the class, an auditor nothing', () => {
    const without = (role: Role) => Permission.options.filter((one) => !ROLE_PERMISSIONS[role].includes(one));
    const own = Permission.options.filter((one) => without('teacher').includes(one));
    assert.ok(
      own.every((one) => ROLE_PERMISSIONS.student.includes(one)),
      own.join(),
    );
    assert.deepEqual(without('assistant'), [...own, 'room:close']);
    assert.ok(
      !ROLE_PERMISSIONS.student.some((one) => /:(manage|moderate|close)$|^publish:|^broadcast:/.test(one)),
    );
    assert.deepEqual(ROLE_PERMISSIONS.auditor, []);
  });

  it('say who may manage whom', () => {
    const managed = Object.fromEntries(
      Role.options.map((actor) => [actor, Role.options.filter((target) => mayManage(actor, target))]),
    );
    assert.deepEqual(managed, {
      teacher: ['assistant', 'student', 'auditor'],
      assistant: ['student', 'auditor'],
      student: [],
      auditor: [],
    });
  });

  it('can be given to publish and to write, never to command', () => {
    for (const { permission } of Object.values(SOURCES)) assert.ok(GRANTABLE.includes(permission));
    for (const permission of ['chat:moderate', 'peer:manage', 'broadcast:control', 'room:close'] as const) {
      assert.ok(!GRANTABLE.includes(permission), permission);
    }
  });

  it('know a kind and a permission for every source', () => {
    assert.deepEqual(new Set(Object.keys(SOURCES)), new Set(Source.options));
    assert.equal(SOURCES['screen-audio'].kind, 'audio');
    assert.equal(SOURCES['screen-audio'].permission, SOURCES.screen.permission);
  });
});
