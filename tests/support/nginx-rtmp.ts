// nginx with its RTMP module, as somebody else's server: started for a test on a port of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';

const NGINX = '/usr/sbin/nginx';
const MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** Why there is no such server here; undefined if there is one. */
export const nginxRtmpMissing: string | undefined =
  existsSync(NGINX) && existsSync(MODULE)
    ? undefined
    : 'nginx with its RTMP module is not installed (apt-get install nginx libnginx-mod-rtmp)';

export interface NginxRtmp {
  /** `rtmp://127.0.0.1:port/live`. */
  readonly url: string;
  readonly port: number;
  /** Listens; may be called again after `stop`. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops it and takes its folder away. */
  close(): Promise<void>;
}

/** Makes one that does not listen yet. */
export async function makeNginxRtmp(): Promise<NginxRtmp> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-nginx-'));
  const port = await freePort();
  const config = join(dir, 'nginx.conf');
  writeFileSync(
    config,
    `load_module ${MODULE};
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log info;
events { worker_connections 64; }
rtmp { server { listen 127.0.0.1:${port}; application live { live on; wait_key on; } } }
`,
  );
  let child: ChildProcess | undefined;
  const stop = async () => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
  };
  return {
    url: `rtmp://127.0.0.1:${port}/live`,
    port,
    async start() {
      child = spawn(NGINX, ['-p', dir, '-c', config, '-e', `${dir}/error.log`], { stdio: 'ignore' });
      for (let tries = 0; tries < 100; tries += 1) {
        if (await answers(port)) return;
        await sleep(50);
      }
      throw new Error('nginx did not start');
    },
    stop,
    async close() {
      await stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
