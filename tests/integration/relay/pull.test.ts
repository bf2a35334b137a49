// A picture taken from outside: ffmpeg serves it as HTTP-FLV, a folder as HLS, nginx-rtmp as RTMP.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { parseAudioBody, parseVideoBody } from '#shared/media/flv.ts';
import { closeServer, listen } from '#server/service.ts';
import { mediaFile } from '../../support/media-file.ts';
import { makeNginxRtmp, nginxRtmpMissing } from '../../support/nginx-rtmp.ts';
import { ABOUT, CHANNEL, startRelayRig, type RelayRig } from './rig.ts';
import { freePort } from '../../support/free-port.ts';

const PICTURE =
  '-f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=sample_rate=48000 -t 30 -c:v libx264 -preset ultrafast -bf 0 -g 25 -pix_fmt yuv420p';
const withAac = () => mediaFile('pulled-aac', `${PICTURE} -c:a aac`);
const withMp3 = () => mediaFile('pulled-mp3', `${PICTURE} -c:a libmp3lame`);

describe('a picture from outside', { timeout: 120_000 }, () => {
  let rig: RelayRig;
  before(async () => {
    rig = await startRelayRig();
  });
  after(() => rig.close());

  const wanted = (url: string) => ({ ...ABOUT, wanted: { push: [], pull: { url } } });

  /** What arrived: pictures and sounds with the codecs of the class. */
  const check = () => {
    const { tags } = rig.pulled;
    const video = tags.filter(({ type }) => type === 'video').map(({ body }) => parseVideoBody(body));
    const audio = tags.filter(({ type }) => type === 'audio').map(({ body }) => parseAudioBody(body));
    assert.equal(video[0]?.type, 'config');
    assert.equal(audio[0]?.type, 'config');
    assert.ok(audio[0].config.codec === 'aac');
    assert.ok(video.filter(({ type }) => type === 'frame').length > 20);
  };
  const running = () =>
    rig.until('it runs', ({ pull }) => pull?.state === 'running' && rig.pulled.tags.length > 120);
  const fresh = () => {
    rig.relays.forget(CHANNEL);
    rig.pulled.tags.length = rig.pulled.asks.length = rig.pulled.ends.length = 0;
  };

  it('comes from HTTP-FLV, and leaves in order when it is not wanted any more', async () => {
    const port = await freePort();
    // ffmpeg is a server for one listener; it is there as long as that.
    const serve = spawn(
      'ffmpeg',
      ['-v', 'error', '-re', '-i', withAac(), '-c', 'copy', '-f', 'flv', '-listen', '1'].concat(
        `http://127.0.0.1:${port}/live.flv`,
      ),
      { stdio: 'ignore' },
    );
    try {
      await rig.relays.put(CHANNEL, wanted(`http://127.0.0.1:${port}/live.flv?token=secret-token`));
      const now = await running();
      check();
      assert.equal(now.pull?.url, `http://127.0.0.1:${port}/***`);
      assert.deepEqual(rig.pulled.asks, [
        { channel: CHANNEL, lesson: ABOUT.lesson, title: ABOUT.title, name: '127.0.0.1' },
      ]);
      assert.match(await rig.metrics.metrics(), /lectern_relays\{direction="pull",state="running"\} 1/);
      fresh();
      assert.deepEqual(rig.relays.get(CHANNEL), { push: [], pull: null });
    } finally {
      serve.kill('SIGKILL');
    }
  });

  it('comes from HLS over redirects, through the proxy, and MP3 becomes AAC', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lectern-pulled-'));
    execFileSync(
      'ffmpeg',
      ['-v', 'error', '-i', withMp3(), '-c', 'copy', '-f', 'hls', '-hls_time', '2'].concat([
        '-hls_list_size',
        '0',
        join(dir, 'live.m3u8'),
      ]),
    );
    const asked: string[] = [];
    const server: Server = createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      asked.push(path);
      if (path === '/go.m3u8') {
        response.writeHead(302, { location: '/live.m3u8' }).end();
        return;
      }
      const type = path.endsWith('.m3u8') ? 'application/vnd.apple.mpegurl' : 'video/mp2t';
      response.writeHead(200, { 'content-type': type }).end(readFileSync(join(dir, path.slice(1))));
    });
    const port = await listen(server, 0, '127.0.0.1');
    try {
      await rig.relays.put(CHANNEL, wanted(`http://127.0.0.1:${port}/go.m3u8`));
      await running();
      check();
      assert.ok(asked.includes('/live.m3u8'));
      fresh();
    } finally {
      await closeServer(server);
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('comes from RTMP, is tried again when it is gone, and the class keeps its place', async (t) => {
    if (nginxRtmpMissing !== undefined) {
      t.skip(nginxRtmpMissing);
      return;
    }
    const nginx = await makeNginxRtmp();
    await nginx.start();
    const publish = () =>
      spawn(
        'ffmpeg',
        ['-v', 'error', '-re', '-i', withAac(), '-c', 'copy', '-f', 'flv', `${nginx.url}/outside`],
        {
          stdio: 'ignore',
        },
      );
    let camera = publish();
    try {
      await rig.relays.put(CHANNEL, wanted(`${nginx.url}/outside`));
      await running();
      check();
      camera.kill('SIGKILL');
      await nginx.stop();
      const gone = await rig.until('it noticed', ({ pull }) => pull?.state === 'retrying');
      assert.ok(gone.pull?.reason);
      assert.deepEqual(rig.pulled.ends, ['lost'], 'it may come back');
      await nginx.start();
      camera = publish();
      rig.pulled.tags.length = 0;
      await running();
      fresh();
    } finally {
      camera.kill('SIGKILL');
      await nginx.close();
    }
  });

  it('gives up when the class is over, and waits while another publishes', async () => {
    const server = createServer((_request, response) => {
      const flv = spawn(
        'ffmpeg',
        ['-v', 'error', '-re', '-i', withAac(), '-c', 'copy', '-f', 'flv', 'pipe:1'],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
      response.on('close', () => flv.kill('SIGKILL'));
      flv.stdout.pipe(response);
    });
    const port = await listen(server, 0, '127.0.0.1');
    try {
      rig.pulled.refusal = new LecternError('already-publishing');
      await rig.relays.put(CHANNEL, wanted(`http://127.0.0.1:${port}/a.flv`));
      const waits = await rig.until('it waits', ({ pull }) => pull?.state === 'retrying');
      assert.equal(waits.pull?.reason?.code, 'already-publishing');
      rig.pulled.refusal = undefined;
      await running();
      rig.pulled.throwOut(new LecternError('room-closed'));
      const over = await rig.until('it gave up', ({ pull }) => pull?.state === 'failed');
      assert.equal(over.pull?.reason?.code, 'room-closed');
      fresh();
    } finally {
      server.closeAllConnections();
      await closeServer(server);
    }
  });
});
