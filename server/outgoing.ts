// The one guard of what Lectern connects to because somebody typed an address in a form: nobody may reach
// this machine or its network that way (server-side request forgery, CWE-918). What is checked is what is
// connected to, so that no name can lead elsewhere the second time.
import { lookup as lookupAll } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The address is not one that the world can reach. */
export class PrivateAddressError extends Error {
  constructor() {
    super('This address is inside this network. Only public ones are allowed.');
    this.name = 'PrivateAddressError';
  }
}

/** All of IPv6 that is given out to hosts (RFC 4291 §2.4, IANA's ipv6-unicast-address-assignments). */
const GLOBAL_V6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** Stands for IPv4 in networks without it (RFC 6052 §2.1). */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/** True if `ip` is an address that the whole world can reach; an IPv4 address inside an IPv6 one counts as itself. */
export function isPublic(ip: string): boolean {
  if (isIP(ip) === 0) return false;
  const address = ipaddr.process(ip);
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast';
  if (address.match(NAT64)) return isPublic(address.toByteArray().slice(12).join('.'));
  return address.range() === 'unicast' && address.match(GLOBAL_V6);
}

/** The IP address to connect to. Rejects with PrivateAddressError, or what the DNS says. */
export type Resolve = (host: string) => Promise<string>;

/** `host` is a name or an address, an IPv6 one with or without its brackets. */
export function createResolve(allowPrivate: boolean): Resolve {
  return async (host) => {
    const [first] = await addressesOf(host.replace(/^\[(.*)\]$/, '$1'), allowPrivate);
    return first?.address ?? Promise.reject(new Error(`${host} has no address`));
  };
}

/** In place of the system's, for `connect`. Node does not ask it for what is an address already. */
export const publicLookup: LookupFunction = (hostname, options, done) => {
  addressesOf(hostname, false).then(
    (found) => {
      const [first] = found;
      if (options.all === true) done(null, found);
      else if (first === undefined) done(new Error(`${hostname} has no address`), '');
      else done(null, first.address, first.family);
    },
    (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), []),
  );
};

/** A name that leads to any private address leads nowhere: it could lead to another one the next time. */
async function addressesOf(host: string, allowPrivate: boolean) {
  const found = await lookupAll(host, { all: true });
  if (!allowPrivate && !found.every(({ address }) => isPublic(address))) throw new PrivateAddressError();
  return found;
}
