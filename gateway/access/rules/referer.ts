// The site whose page shows the player, as the browser says. Our own pages may always.
import type { AccessRule } from '../decide.ts';

/**
 * `ownHosts` are those of LECTERN_PUBLIC_URL and LECTERN_PLAY_ORIGINS. The host that was asked is none of them
 * by itself: anybody can have a name of theirs lead here.
 */
export function sites(ownHosts: readonly string[]): AccessRule {
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
      if (site !== null && isKnown && ownHosts.includes(site.host)) return { allow: true };
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

function matches(pattern: string, hostname: string): boolean {
  return pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}
