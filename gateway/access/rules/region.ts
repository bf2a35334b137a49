// Countries, by the viewer's address. Without a database the rule lets nobody in.
import { plainIp } from '#server/forwarded.ts';
import type { AccessRule } from '../decide.ts';
import type { Countries } from '../geoip.ts';

export function regions(countries: Countries): AccessRule {
  return {
    name: 'region',
    action: 'play',
    judge({ ip }, { access }) {
      const rule = access.region;
      if (rule.mode === 'off') return null;
      if (!countries.isReady) return { allow: false, code: 'service-unavailable', reason: 'no-database' };
      const country = countries.of(plainIp(ip));
      if (country === undefined) return { allow: false, code: 'service-unavailable', reason: 'broken' };
      if (country === null) {
        return rule.allowUnknown
          ? { allow: true }
          : { allow: false, code: 'forbidden', reason: 'country-unknown' };
      }
      const isListed = rule.countries.includes(country);
      if (rule.mode === 'allow' && !isListed) {
        return { allow: false, code: 'forbidden', reason: 'country-not-allowed' };
      }
      if (rule.mode === 'deny' && isListed) {
        return { allow: false, code: 'forbidden', reason: 'country-denied' };
      }
      return { allow: true };
    },
  };
}
