// The nginx of docs/connecting.md, as it is written there, before a class that is on air.
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Lesson } from '#shared/contract/rest.ts';
import { probe } from '../../support/av.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { putOnAir, type OnAir } from '../../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../../support/rtp-source.ts';
import { freePort } from '../../support/free-port.ts';

const CONFIG = join(import.meta.dirname, '../../../docs/examples/nginx-cache.conf');

/** Why nginx cannot be tested here; undefined if it can. */
function missing(): string | undefined {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'nginx is not installed (apt-get install nginx-light)';
  }
}

const skip = missing();

describe('nginx as a caching proxy', { skip }, () => {
  let lectern: Lectern;
  let source: RtpSource;
  let onAir: OnAir;
  let lesson: Lesson;
  let nginx: ChildProcess;
  let dir: string;
  let origin: string;

  before(async () => {
    lectern = await startLectern();
    source = await startRtpSource();
    lesson = await lectern.startClass('Behind nginx');
    onAir = await putOnAir(lectern, lesson, source, 'behindnginx');
    dir = mkdtempSync(join(tmpdir(), 'lectern-nginx-'));
    mkdirSync(join(dir, 'cache'));
    const port = await freePort();
    const changed = readFileSync(CONFIG, 'utf8')
      .replace(
        'server 127.0.0.1:8080;',
        `server ${new URL(lectern.url).host.replace('localhost', '127.0.0.1')};`,
      )
      .replace('/var/cache/nginx/lectern', join(dir, 'cache'))
      .replace('listen 80;', `listen 127.0.0.1:${port};`);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${join(dir, name)};`,
    );
    const file = join(dir, 'nginx.conf');
    writeFileSync(
      file,
      // Started by root its workers would be nobody, who may not write here.
      `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes 1; pid ${join(dir, 'pid')}; error_log ${join(dir, 'error.log')};\n` +
        `events {}\nhttp { access_log off; ${temporary.join(' ')}\n${changed}\n}\n`,
    );
    nginx = spawn('nginx', ['-p', dir, '-c', file, '-e', join(dir, 'error.log')], { stdio: 'inherit' });
    origin = `http://127.0.0.1:${port}`;
    await eventually('nginx answers', async () => (await fetch(`${origin}/healthz`)).ok);
  });
  after(async () => {
    if (nginx?.exitCode === null) {
      const gone = once(nginx, 'exit');
      nginx.kill('SIGQUIT');
      const forced = setTimeout(() => nginx.kill('SIGTERM'), 3_000);
      await gone;
      clearTimeout(forced);
    }
    onAir?.vanish();
    await source?.close();
    await lectern?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** The same address at nginx. */
  const through = (address: string) => {
    const { pathname, search } = new URL(address);
    return `${origin}${pathname}${search}`;
  };
  /** The first media file that a rendition's playlist names, at nginx. */
  const segment = async () => {
    const multivariant = await (await fetch(through(lesson.play.hls))).text();
    const rendition = multivariant.split('\n').find((line) => /^[^#].*\.m3u8/.test(line)) ?? '';
    const address = new URL(rendition, through(lesson.play.hls));
    const text = await (await fetch(address)).text();
    const name = text.split('\n').find((line) => /^[^#].*\.m4s/.test(line)) ?? '';
    return new URL(name, address);
  };

  it('lets forty viewers of a segment be one request to Lectern', async () => {
    const address = await segment();
    const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(address)));
    const bodies = await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    const caches = answers.map((answer) => answer.headers.get('x-cache'));
    assert.ok(answers.every(({ ok }) => ok));
    assert.equal(caches.filter((cache) => cache === 'MISS').length, 1, caches.join(' '));
    assert.ok(bodies.every(({ byteLength }) => byteLength === bodies[0]?.byteLength && byteLength > 1_000));
  });

  it('opens what is cached to nobody without a signature of their own', async () => {
    const address = await segment();
    assert.ok((await fetch(address)).ok);
    address.search = '';
    assert.equal((await fetch(address)).status, 403);
    address.search = 'expires=9999999999&sign=AAAA';
    assert.equal((await fetch(address)).status, 403);
  });

  it('plays HLS and HTTP-FLV through it, FLV at once', async () => {
    const codecs = async (address: string) =>
      [...new Set((await probe(address)).streams.map(({ codec }) => codec))].sort();
    assert.deepEqual(await codecs(through(lesson.play.hls)), ['aac', 'h264']);
    const startMs = performance.now();
    const leaving = new AbortController();
    const answer = await fetch(through(lesson.play.flv), { signal: leaving.signal });
    const first = await answer.body?.getReader().read();
    assert.ok((first?.value?.length ?? 0) > 0);
    assert.ok(performance.now() - startMs < 2_000, `${performance.now() - startMs} ms to the first byte`);
    leaving.abort();
    assert.deepEqual(await codecs(through(lesson.play.flv)), ['aac', 'h264']);
  });

  it('passes the page and the API on, and tells the figures to nobody', async () => {
    assert.match(await (await fetch(`${origin}/`)).text(), /<div id="app">/);
    assert.equal((await fetch(`${origin}/api/v1/lessons`)).status, 401);
    assert.equal((await fetch(`${origin}/metrics`)).status, 404);
  });
});
