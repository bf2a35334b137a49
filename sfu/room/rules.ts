// Which permission each request asks for. Requests that ask for none need only that the peer joined.
import type { RequestData, RequestName } from '#shared/contract/signalling.ts';
import type { Permission } from '#shared/domain/permissions.ts';
import { SOURCES } from '#shared/domain/sources.ts';

type Rule<N extends RequestName> = Permission | null | ((data: RequestData<N>) => Permission);

const RULES: { readonly [N in RequestName]: Rule<N> } = {
  'room:join': null,
  'room:close': 'room:close',
  'room:leave': null,
  'transport:create': null,
  'transport:connect': null,
  'transport:restart': null,
  'producer:create': (data) => SOURCES[data.source].permission,
  'producer:pause': null,
  'producer:resume': null,
  'producer:close': null,
  'consumer:prefer': null,
  'consumer:pause': null,
  'consumer:resume': null,
  'chat:send': 'chat:send',
  'chat:delete': 'chat:moderate',
  'peer:permit': 'peer:manage',
  'peer:mute': 'peer:manage',
  'peer:remove': 'peer:manage',
  'door:admit': 'peer:manage',
  'door:refuse': 'peer:manage',
  'broadcast:start': 'broadcast:control',
  'broadcast:stop': 'broadcast:control',
};

/** The permission that this request asks for; null if joining is enough. */
export function permissionFor<N extends RequestName>(name: N, data: RequestData<N>): Permission | null {
  const rule: Rule<N> = RULES[name];
  return typeof rule === 'function' ? rule(data) : rule;
}
