// simple-whip-client, made to run where its packages do not fit together: Debian 12's is linked with
// libsoup 2, and its GStreamer loads libnice, which loads libsoup 3 for mapping ports by UPnP. The two
// will not be in one process. A stand-in for the UPnP library, which is never called, keeps libsoup 3 out.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installed, Program } from './programs.ts';

const STAND_IN = ['add_port', 'get_type', 'remove_port_local', 'thread_new']
  .map((name) => `void *gupnp_simple_igd_${name}(void) { return 0; }`)
  .join('\n');

/** Why it cannot run here, in a sentence; undefined if it can. */
export function whipClientMissing(): string | undefined {
  if (!installed('whip-client')) return 'simple-whip-client is not installed';
  return installed('cc') ? undefined : 'there is no C compiler to make simple-whip-client run with';
}

/** Starts it with these arguments. `close` ends it, as a person would with Ctrl-C. */
export function startWhipClient(args: readonly string[]): Program & { close(): Promise<void> } {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-whip-'));
  const source = join(dir, 'stand-in.c');
  writeFileSync(source, STAND_IN);
  spawnSync('cc', ['-shared', '-fPIC', '-o', join(dir, 'libgupnp-igd-1.0.so.4'), source]);
  const client = new Program('whip-client', ['-o', ...args], { LD_LIBRARY_PATH: dir });
  return Object.assign(client, {
    async close() {
      await client.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  });
}
