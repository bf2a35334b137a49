// nginx with its RTMP module, and a program that publishes to it or to us.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mediaFile } from '../../support/media-file.ts';

const NGINX = '/usr/sbin/nginx';
const MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

export const hasNginxRtmp = (): boolean => existsSync(NGINX) && existsSync(MODULE);

/**
 * Starts it on `port` with its files in `dir`; `live` are further directives of the application. It is one process,
 * unless it `hasMaster`.
 */
export function startNginxRtmp(dir: string, port: number, live = '', hasMaster = false): ChildProcess {
  const processes = hasMaster ? 'user root; worker_processes 1;' : 'master_process off;';
  writeFileSync(
    join(dir, 'nginx.conf'),
    `load_module ${MODULE};
daemon off; ${processes} pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 8192; }
rtmp { server { listen 127.0.0.1:${port}; chunk_size 4096; application live { live on; ${live} } } }
`,
  );
  return spawn(NGINX, ['-c', join(dir, 'nginx.conf'), '-p', dir], { stdio: 'ignore' });
}

/** 720p30 at 2 Mbit/s, a key frame every two seconds, AAC. */
export const film = (): string =>
  mediaFile(
    'bench-publish',
    '-f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 40 ' +
      '-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 60 -b:v 2000k -maxrate 2000k -bufsize 2000k ' +
      '-pix_fmt yuv420p -c:a aac -b:a 128k -ac 2',
  );

/** Publishes `file` to `url`, as fast as it plays, again and again. */
export const push = (url: string, file = film()): ChildProcess =>
  spawn('ffmpeg', ['-v', 'quiet', '-re', '-stream_loop', '-1', '-i', file, '-c', 'copy', '-f', 'flv', url], {
    stdio: 'ignore',
  });
