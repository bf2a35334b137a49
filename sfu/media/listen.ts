// Where the workers listen for browsers.
import { networkInterfaces } from 'node:os';
import type { types } from 'mediasoup';

/** The machine's own IPv4 addresses; loopback last, so that `localhost` works without a network. */
export function localAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outer = all.filter(({ family, internal }) => family === 'IPv4' && !internal);
  return [...new Set(outer.map(({ address }) => address)), '127.0.0.1'];
}

/** Where this machine meets a gateway that takes RTP at `ingestIp`. */
export function addressTowards(ingestIp: string): string {
  return ingestIp.startsWith('127.') ? '127.0.0.1' : (localAddresses()[0] ?? '127.0.0.1');
}

/**
 * UDP and TCP on `port` of every address; or, if browsers reach the machine at `announced` (NAT, cloud),
 * on all addresses under that name. Port 0 picks free ones.
 */
export function listenInfos(port: number, announced: string | undefined): types.TransportListenInfo[] {
  const places =
    announced === undefined
      ? localAddresses().map((ip) => ({ ip }))
      : [{ ip: '0.0.0.0', announcedAddress: announced }];
  // UDP of all addresses goes before TCP of any: the order is the order of preference.
  return (['udp', 'tcp'] as const).flatMap((protocol) =>
    places.map((place) => ({ protocol, ...place, ...(port === 0 ? {} : { port }) })),
  );
}
