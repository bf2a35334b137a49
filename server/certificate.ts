// The certificate of a running server, read again when its files change: certbot and its kin put a new one
// in place every two months, usually by turning a symlink.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Log } from './log.ts';
import type { Settings } from './settings.ts';
import { readIdentity, type Identity } from './tls.ts';

/** How often the files are looked at, in ms: both are a few KiB. */
const LOOK_EVERY_MS = 10_000;

const same = (a: Identity, b: Identity) => a.cert.equals(b.cert) && a.key.equals(b.key);

/**
 * Hands each new certificate to `apply` until the returned function is called. A pair that does not fit,
 * as while only one of the files is written, or a file that cannot be read, leaves the present one in use
 * and is logged once.
 */
export function followCertificate(
  files: Settings['tls'],
  present: Identity,
  apply: (identity: Identity) => void,
  log: Log,
  everyMs: number = LOOK_EVERY_MS,
): () => void {
  let inUse = present;
  let complaint: string | undefined;
  const look = () => {
    try {
      const read = readIdentity(files);
      if (read !== undefined && !same(read, inUse)) {
        createSecureContext({ cert: read.cert, key: read.key });
        apply(read);
        inUse = read;
        const { validTo } = new X509Certificate(read.cert);
        log.info({ validTo }, 'certificate renewed');
      }
      complaint = undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why !== complaint) log.warn({ why }, 'the new certificate cannot be used; the present one stays');
      complaint = why;
    }
  };
  const timer = setInterval(look, everyMs);
  return () => clearInterval(timer);
}
