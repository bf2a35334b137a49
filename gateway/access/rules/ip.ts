// Lists of addresses and networks, v4 and v6. What is no address is nobody's, and on no list.
import { BlockList, isIP } from 'node:net';
import type { AccessRules } from '#shared/contract/access.ts';
import { plainIp } from '#server/forwarded.ts';
import type { AccessRule } from '../decide.ts';

type IpRule = AccessRules['ip'];
interface Lists {
  readonly allow: BlockList | null;
  readonly deny: BlockList | null;
}

export function addressLists(): AccessRule {
  // Made once for each version of a rule: thousands of requests go by the same object.
  const made = new WeakMap<IpRule, Lists>();
  return {
    name: 'ip',
    action: 'play',
    judge({ ip }, { access }) {
      const rule = access.ip;
      if (rule.allow.length === 0 && rule.deny.length === 0) return null;
      let lists = made.get(rule);
      if (lists === undefined) {
        lists = { allow: networks(rule.allow), deny: networks(rule.deny) };
        made.set(rule, lists);
      }
      const address = plainIp(ip);
      const family = isIP(address);
      if (family === 0) return { allow: false, code: 'forbidden', reason: 'ip-unknown' };
      const isOn = (list: BlockList) => list.check(address, family === 4 ? 'ipv4' : 'ipv6');
      if (lists.deny !== null && isOn(lists.deny)) {
        return { allow: false, code: 'forbidden', reason: 'ip-denied' };
      }
      if (lists.allow !== null && !isOn(lists.allow)) {
        return { allow: false, code: 'forbidden', reason: 'ip-not-allowed' };
      }
      return { allow: true };
    },
  };
}

/** Null for an empty list. Throws for what is no network, which refuses. */
export function networks(entries: readonly string[]): BlockList | null {
  if (entries.length === 0) return null;
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const plain = plainIp(address);
    const family = isIP(plain) === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(plain, family);
    else list.addSubnet(plain, prefixOf(address, plain, Number(prefix)), family);
  }
  return list;
}

/** The length of a prefix; that of a v4 network written as v6 (`::ffff:192.0.2.0/120`) is 96 bits less. */
const prefixOf = (written: string, plain: string, prefix: number) =>
  written === plain ? prefix : prefix - 96;
