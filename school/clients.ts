// The other services, as the school asks them.
import { INTERNAL, type GatewayClient, type SfuClient } from '#shared/contract/internal-api.ts';
import { atAny, internalClient } from '#server/internal-client.ts';
import type { Settings } from '#server/settings.ts';

/** People wait for these answers: a service that hangs must not hold a page up for longer. */
const ANSWER_LIMIT_MS = 2_000;

export interface ServiceClients {
  readonly gateway: GatewayClient;
  readonly sfu: SfuClient;
}

/** Speaks to the services that `settings` name, with the internal secret. */
export function serviceClients(
  { gateway, sfu }: Pick<Settings, 'gateway' | 'sfu'>,
  secret: string,
): ServiceClients {
  return {
    gateway: internalClient(INTERNAL.gateway, atAny(gateway.addresses), secret, ANSWER_LIMIT_MS),
    sfu: internalClient(INTERNAL.sfu, atAny(sfu.addresses), secret, ANSWER_LIMIT_MS),
  };
}
