// A viewer of HTTP-FLV who keeps what came.
import { appendFileSync, writeFileSync } from 'node:fs';

/** Keeps in `file` what `address` sends within `lengthMs`, byte for byte. Rejects if it is refused. */
export async function watchFlv(address: string, file: string, lengthMs: number): Promise<void> {
  const abort = new AbortController();
  const response = await fetch(address, { signal: abort.signal });
  if (!response.ok || response.body === null) throw new Error(`${response.status} instead of a stream`);
  writeFileSync(file, '');
  const timer = setTimeout(() => abort.abort(), lengthMs);
  try {
    for await (const bytes of response.body) appendFileSync(file, bytes);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}
