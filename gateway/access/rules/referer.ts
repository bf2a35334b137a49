// The site whose page shows the player, as the browser says. Our own pages may always.
import type { AccessRequest, AccessRule } from '../decide.ts';

/** `ownHost` is the host of LECTERN_PUBLIC_URL. */
export function sites(ownHost: string): AccessRule {
  return {
    name: 'referer',
    action: 'play',
    judge(request, { access }) {
      const rule = access.referer;
      if (rule.mode === 'off') return null;
      if ((request.referer ?? '') === '') {
        return rule.allowEmpty
          ? { allow: true }
          : { allow: false, code: 'forbidden', reason: 'referer-empty' };
      }
      const site = URL.parse(request.referer ?? '');
      const isKnown = site?.protocol === 'http:' || site?.protocol === 'https:';
      if (site !== null && isKnown && isOurs(site, request, ownHost)) return { allow: true };
      const isListed = site !== null && isKnown && rule.hosts.some((host) => matches(host, site.hostname));
      if (rule.mode === 'allow') {
        return isListed
          ? { allow: true }
          : { allow: false, code: 'forbidden', reason: 'referer-not-allowed' };
      }
      // What is no site is on no list, and a list of the unwanted must not be passed by nonsense.
      const isDenied = isListed || !isKnown;
      return isDenied ? { allow: false, code: 'forbidden', reason: 'referer-denied' } : { allow: true };
    },
  };
}

/** A page of this site, under its public name or under the one that was asked. */
const isOurs = (site: URL, { host }: AccessRequest, ownHost: string): boolean =>
  site.host === ownHost || (host !== undefined && host !== '' && site.host === host.toLowerCase());

function matches(pattern: string, hostname: string): boolean {
  return pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}
