// A CDN in front, as docs/access.md says: nginx with the configuration that stands there, and code for an edge.
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { signPlayback } from '#server/playback-sign.ts';
import { eventually } from '../../support/lectern.ts';
import { SECRET } from '../gateway-egress/rig.ts';
import { CDN_KEY, classOnAir, inAnHour, LIVE, REPLAY, type ClassOnAir } from './class-on-air.ts';
import { freePort } from '../../support/free-port.ts';

const NGINX = ['nginx', '/usr/sbin/nginx'].find((path) => spawnSync(path, ['-v']).error === undefined);
const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/access.md'), 'utf8');
const shown = (language: string) =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\n\`\`\``).exec(PAGE)?.[1] ?? assert.fail(`no ${language}`);

function query(path: string, epoch = '', expires = inAnHour()): string {
  const text = `${expires}${path} ${epoch === '' ? '' : `${epoch} `}${CDN_KEY}`;
  const md5 = createHash('md5').update(text).digest('base64url');
  return `md5=${md5}&expires=${expires}${epoch === '' ? '' : `&epoch=${epoch}`}`;
}

describe('nginx in front of the gateway', { skip: NGINX === undefined && 'nginx is not installed' }, () => {
  let stage: ClassOnAir;
  let nginx: ChildProcess;
  let dir: string;
  let url: string;
  before(async () => {
    stage = await classOnAir();
    await stage.set();
    dir = mkdtempSync(join(tmpdir(), 'lectern-nginx-'));
    mkdirSync(join(dir, 'cache'));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const server = shown('nginx')
      .replaceAll('http://origin.example.org:8081', stage.rig.url)
      .replace('the-value-of-LECTERN_CDN_KEY', CDN_KEY)
      .replace('listen 80;', `listen 127.0.0.1:${port};`)
      .replace('/var/cache/nginx/lectern', join(dir, 'cache'));
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${join(dir, name)};`)
      .join('\n');
    writeFileSync(
      join(dir, 'nginx.conf'),
      `daemon off; master_process off; pid ${join(dir, 'pid')}; error_log stderr;
       events {} http { access_log off; ${paths}\n${server} }`,
    );
    nginx = spawn(NGINX ?? '', ['-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: 'ignore' });
    await eventually('nginx is there', async () => (await fetch(url).catch(() => undefined)) !== undefined);
  });
  after(async () => {
    nginx.kill('SIGKILL');
    await once(nginx, 'close');
    await stage.close();
    rmSync(dir, { recursive: true });
  });

  const status = async (path: string, signed: string) => {
    const aborter = new AbortController();
    const response = await fetch(`${url}${path}?${signed}`, { signal: aborter.signal });
    aborter.abort();
    return response.status;
  };

  it('lets in who has a signed address: to FLV, a playlist and the segments that it names', async () => {
    const signed = query(LIVE);
    assert.equal(await status(`${LIVE}.flv`, signed), 200);
    const playlist = await (await fetch(`${url}${LIVE}/index.m3u8?${signed}`)).text();
    const variant = playlist.split('\n').find((line) => /^[^#].*\.m3u8/.test(line)) ?? '';
    const media = new URL(variant, `${url}${LIVE}/index.m3u8`);
    const segment = (await (await fetch(media)).text()).split('\n').find((line) => /^[^#].*\.m4s/.test(line));
    const bytes = await (await fetch(new URL(segment ?? '', media))).arrayBuffer();
    assert.ok(bytes.byteLength > 1_000, 'a segment');
    assert.equal(await status(`${REPLAY}.mp4`, query(REPLAY)), 200);
  });

  it('refuses all else by itself, also what it has in its cache', async () => {
    assert.equal(await status(stage.segment, query(LIVE)), 200);
    for (const path of [`${LIVE}.flv`, `${LIVE}/index.m3u8`, stage.segment]) {
      assert.equal(await status(path, ''), 403, path);
      assert.equal(await status(path, query('/live/otherchannel')), 403, path);
      assert.equal(await status(path, query(LIVE, '', 1_700_000_000)), 403, path);
    }
  });

  it('takes a replay of several recordings for another than that of one', async () => {
    const joined = `${REPLAY.replace('/replay/', '/replay/parts-')}-broadcast2`;
    for (const file of ['index.m3u8', '1-camera0.m4s']) {
      // Let through to the gateway, where there is no such replay.
      assert.equal(await status(`${joined}/${file}`, query(joined)), 404, file);
      for (const other of [REPLAY, '/replay/parts', `${joined}-broadcast3`])
        assert.equal(await status(`${joined}/${file}`, query(other)), 403, other);
    }
  });

  it('and the gateway behind it agree after a revocation', async () => {
    await stage.set({}, 'revoke');
    assert.equal(
      await status(`${LIVE}/index.m3u8`, query(LIVE)),
      403,
      'nginx lets it pass, the gateway does not',
    );
    assert.equal(await status(`${LIVE}/index.m3u8`, query(LIVE, String(stage.epoch()))), 200);
    assert.equal(await status(`${LIVE}/index.m3u8`, `${query(LIVE)}&epoch=1`), 403, 'an epoch is signed');
  });
});

describe('code at the edge of a CDN', () => {
  it('checks the signature as the gateway does', async () => {
    const source = `${shown('js')}\nexport { mayWatch };`;
    const { mayWatch } = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as {
      mayWatch: (url: URL, secret: string) => Promise<boolean>;
    };
    const may = (path: string, signed: string) =>
      mayWatch(new URL(`https://cdn.example.org${path}?${signed}`), SECRET);
    for (const [viewer, epoch] of [
      [undefined, 0],
      ['anna', 0],
      ['anna', 3],
    ] as const) {
      const signed = signPlayback(SECRET, 'play', LIVE, inAnHour(), viewer, epoch);
      assert.equal(await may(`${LIVE}/broadcast1/v0-1.m4s`, signed), true);
      assert.equal(await may('/live/otherchannel.flv', signed), false);
      assert.equal(
        await may(
          `${LIVE}.flv`,
          signed.replace(/sign=(.)/, (_all, first) => `sign=${first === 'A' ? 'B' : 'A'}`),
        ),
        false,
      );
    }
    const joined = '/replay/parts-broadcast1-broadcast2' as const;
    const whole = signPlayback(SECRET, 'play', joined, inAnHour());
    assert.equal(await may(`${joined}/1-audio.m4s`, whole), true);
    assert.equal(await may(`${joined}/1-audio.m4s`, signPlayback(SECRET, 'play', REPLAY, inAnHour())), false);
    assert.equal(await may(`${REPLAY}/1-audio.m4s`, whole), false);
    assert.equal(await may(`${LIVE}.flv`, signPlayback(SECRET, 'play', LIVE, 1_700_000_000)), false);
    assert.equal(await may(`${LIVE}.flv`, ''), false);
  });
});
