// The certificate that the settings name: its key, its names, its time.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Settings } from '#server/settings.ts';
import { readIdentity } from '#server/tls.ts';
import { good, lacking, wrong, type Finding } from './finding.ts';

const DAY_MS = 86_400_000;
/** Certbot renews a month ahead: what is so late was not renewed. */
const SOON_MS = 14 * DAY_MS;

/** Nothing without a certificate. Throws Error of one line for a file that cannot be read. */
export function certificate(settings: Settings, nowMs: number = Date.now()): Finding[] {
  const identity = readIdentity(settings.tls);
  const { certFile = '', keyFile = '' } = settings.tls;
  if (identity === undefined) return [];
  let cert: X509Certificate;
  try {
    cert = new X509Certificate(identity.cert);
  } catch {
    return [wrong(`${certFile} is no certificate: LECTERN_TLS_CERT wants a PEM file with the whole chain.`)];
  }
  const findings: Finding[] = [];
  if (!fits(cert, identity.key)) {
    findings.push(
      wrong(`${keyFile} is not the key of ${certFile}: set LECTERN_TLS_KEY to the key made with it.`),
    );
  }
  const { hostname } = new URL(settings.door.origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  if ((isIP(host) === 0 ? cert.checkHost(host) : cert.checkIP(host)) === undefined) {
    findings.push(
      wrong(
        `The certificate is not for ${hostname} (${cert.subjectAltName ?? cert.subject}): browsers refuse it.`,
      ),
    );
  }
  const leftMs = cert.validToDate.getTime() - nowMs;
  const until = cert.validToDate.toISOString().slice(0, 10);
  if (cert.validFromDate.getTime() > nowMs) {
    findings.push(
      wrong(`The certificate is good from ${cert.validFromDate.toISOString()} on: is the clock right?`),
    );
  } else if (leftMs <= 0) {
    findings.push(wrong(`The certificate was good until ${until}: renew it.`));
  } else if (leftMs < SOON_MS) {
    findings.push(lacking(`The certificate is good until ${until} only: see why it was not renewed.`));
  } else {
    findings.push(good(`The certificate is good until ${until}.`));
  }
  if ((statSync(keyFile).mode & 0o007) !== 0) {
    findings.push(wrong(`Everyone can read the key: run "chmod o= ${keyFile}".`));
  }
  return findings;
}

function fits(cert: X509Certificate, key: Buffer): boolean {
  try {
    return cert.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
