// Whether people reach this Lectern at the address that its links name, and WebRTC at its own.
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import type { Settings } from '#server/settings.ts';
import { ask, Health, type RunningLectern } from '../running.ts';
import { good, lacking, wrong, type Finding } from './finding.ts';

const isLocal = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/.test(host);

/** Looks at LECTERN_PUBLIC_URL and LECTERN_RTC_IP; asks the first if `running`. */
export async function address(settings: Settings, running: RunningLectern | undefined): Promise<Finding[]> {
  const url = new URL(settings.door.origin);
  if (isLocal(url.hostname)) {
    return [lacking(`Links name ${url.origin}, for this machine alone: set LECTERN_PUBLIC_URL for others.`)];
  }
  const findings: Finding[] = [];
  if (url.protocol === 'http:') {
    findings.push(
      lacking(
        `${url.origin} is not HTTPS: browsers give no camera there. See "A domain with TLS" in docs/operations.md.`,
      ),
    );
  }
  const named = await addressesOf(url.hostname);
  if (named.length === 0) {
    return [
      ...findings,
      wrong(`${url.hostname} has no address: make a DNS record for it, or correct LECTERN_PUBLIC_URL.`),
    ];
  }
  findings.push(
    good(`${url.hostname} has the address ${named.join(', ')}.`),
    ...rtc(settings.sfu.rtc, named),
  );
  if (running === undefined) return findings;
  const answer = await ask(`${url.origin}/healthz`);
  if (Health.safeParse(answer).success) return [...findings, good(`Lectern answers at ${url.origin}.`)];
  if (!(answer instanceof Error) || /JSON/.test(answer.message)) {
    const what = `Something else than Lectern answers at ${url.origin}`;
    return [...findings, wrong(`${what}: correct the proxy, or LECTERN_PUBLIC_URL.`)];
  }
  const { message: why } = answer;
  return [
    ...findings,
    /CERT|ALTNAME|SSL|SIGNATURE/.test(why)
      ? wrong(`The certificate at ${url.origin} is not one that browsers take (${why}): renew or correct it.`)
      : lacking(
          `${url.origin} does not answer from here (${why}): if it does not elsewhere, look at DNS, proxy and firewall.`,
        ),
  ];
}

async function addressesOf(host: string): Promise<string[]> {
  const found = await lookup(host.replace(/^\[|\]$/g, ''), { all: true }).catch(() => []);
  return [...new Set(found.map((one) => one.address))];
}

/** WebRTC goes to the machine itself: its browsers have to be told an address that leads here. */
function rtc({ ip: told, port }: Settings['sfu']['rtc'], named: readonly string[]): Finding[] {
  const own = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .map((one) => one.address);
  // A name that /etc/hosts turns into loopback says nothing about where browsers go.
  if (named.every(isLocal)) return [];
  const ports = `UDP and TCP ${port} and up`;
  if (told !== undefined)
    return [good(`Browsers are sent to ${told} for WebRTC; let ${ports} through there.`)];
  if (named.some((ip) => own.includes(ip)))
    return [good(`WebRTC goes to this machine; let ${ports} through.`)];
  return [
    lacking(
      `None of this machine's addresses is that of the name: set LECTERN_RTC_IP to the one at which browsers reach ${ports}.`,
    ),
  ];
}
