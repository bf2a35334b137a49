// The gateway's internal API, as a room's broadcast sees it.
import { z } from 'zod';
import { BroadcastStatus } from '#shared/contract/internal.ts';
import { callInternal } from '#server/internal-client.ts';
import type { Gateway } from './room/ports.ts';

/** Speaks to the gateway at `url` with the internal secret. */
export function gatewayClient(url: string, secret: string): Gateway {
  const address = (channel: string) => `${url}/internal/channels/${encodeURIComponent(channel)}/broadcast`;
  return {
    put: (channel, feed) => callInternal(secret, 'PUT', address(channel), BroadcastStatus, feed),
    async end(channel) {
      await callInternal(secret, 'DELETE', address(channel), z.unknown());
    },
  };
}
