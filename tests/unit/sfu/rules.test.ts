// Every role × every request, and every state of a room × every event.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { permissionFor, REQUESTS, type RequestName } from '#shared/contract/signalling.ts';
import { IllegalMove, roomLifecycle } from '#shared/domain/lifecycle.ts';
import { ROLE_PERMISSIONS } from '#shared/domain/permissions.ts';
import { Role } from '#shared/domain/roles.ts';
import { Source } from '#shared/domain/sources.ts';

/** Who may send a request that not everybody may. */
const RESTRICTED: Partial<Record<RequestName, readonly Role[]>> = {
  'room:close': ['teacher'],
  'producer:create': ['teacher', 'assistant'],
  'chat:send': ['teacher', 'assistant', 'student'],
  'chat:delete': ['teacher', 'assistant'],
  'peer:permit': ['teacher', 'assistant'],
  'peer:mute': ['teacher', 'assistant'],
  'peer:remove': ['teacher', 'assistant'],
  'door:admit': ['teacher', 'assistant'],
  'door:refuse': ['teacher', 'assistant'],
  'broadcast:start': ['teacher', 'assistant'],
  'broadcast:stop': ['teacher', 'assistant'],
  'recording:choose': ['teacher', 'assistant'],
  'chapter:mark': ['teacher', 'assistant'],
  'chapter:rename': ['teacher', 'assistant'],
  'chapter:remove': ['teacher', 'assistant'],
  'timer:start': ['teacher', 'assistant'],
  'timer:extend': ['teacher', 'assistant'],
  'timer:stop': ['teacher', 'assistant'],
  'hand:raise': ['student'],
  'hand:lower': ['student'],
};

describe('permissions', () => {
  for (const name of Object.keys(REQUESTS) as RequestName[]) {
    test(name, () => {
      for (const role of Role.options) {
        for (const source of Source.options) {
          const permission = permissionFor(name, { source } as never);
          const may = permission === null || ROLE_PERMISSIONS[role].includes(permission);
          assert.equal(may, RESTRICTED[name]?.includes(role) ?? true, `${role} ${source}`);
        }
      }
    });
  }
});

describe('the life of a room', () => {
  const MOVES = {
    opening: { opened: 'open', close: 'closing', closed: null },
    open: { opened: null, close: 'closing', closed: null },
    closing: { opened: null, close: null, closed: 'closed' },
    closed: { opened: null, close: null, closed: null },
  } as const;
  for (const state of roomLifecycle.states) {
    for (const event of ['opened', 'close', 'closed'] as const) {
      const to = MOVES[state][event];
      test(`${state} + ${event} → ${to ?? 'refused'}`, () => {
        if (to === null) assert.throws(() => roomLifecycle.next(state, event), IllegalMove);
        else assert.equal(roomLifecycle.next(state, event), to);
      });
    }
  }
});
