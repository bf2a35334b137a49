// Which addresses a relay may go to. Whoever may type an address in a form must not reach this machine or
// its network with it (server-side request forgery), unless the operator allows it.
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** The address is not one that the world can reach. */
export class PrivateAddressError extends Error {
  constructor() {
    super(
      'This address is inside this network. Only public ones are allowed, unless the operator sets LECTERN_RELAY_PRIVATE=1.',
    );
    this.name = 'PrivateAddressError';
  }
}

/** The IP address to connect to. Rejects with PrivateAddressError, or what the DNS says. */
export type Resolve = (host: string) => Promise<string>;

/** IANA's special-purpose registry for IPv4: all that is not out in the world (RFC 6890). */
const SPECIAL_V4 = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL_V4.addSubnet(net, bits, 'ipv4');
}

/** For IPv6 it is shorter to say what is out there (RFC 4291 §2.4), less what carries IPv4 or is no host. */
const GLOBAL_V6 = new BlockList();
GLOBAL_V6.addSubnet('2000::', 3, 'ipv6');
const SPECIAL_V6 = new BlockList();
SPECIAL_V6.addSubnet('2001::', 23, 'ipv6');
SPECIAL_V6.addSubnet('2001:db8::', 32, 'ipv6');
SPECIAL_V6.addSubnet('2002::', 16, 'ipv6');
SPECIAL_V6.addSubnet('3fff::', 20, 'ipv6');

/** True if `ip` is an address that the whole world can reach. */
export function isPublic(ip: string): boolean {
  switch (isIP(ip)) {
    case 4:
      return !SPECIAL_V4.check(ip, 'ipv4');
    case 6:
      return GLOBAL_V6.check(ip, 'ipv6') && !SPECIAL_V6.check(ip, 'ipv6');
    default:
      return false;
  }
}

/** A name that leads to any private address leads nowhere: it could lead to another one the next time. */
export function createResolve(allowPrivate: boolean): Resolve {
  return async (host) => {
    const found = await lookup(host.replace(/^\[(.*)\]$/, '$1'), { all: true });
    if (!allowPrivate && !found.every(({ address }) => isPublic(address))) throw new PrivateAddressError();
    return found[0]?.address ?? Promise.reject(new Error(`${host} has no address`));
  };
}
