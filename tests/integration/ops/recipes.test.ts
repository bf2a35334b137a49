// The recipes of docs/ and README.md, as they are written there, in the programs that they are for.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { codeBlocks } from '../../support/docs.ts';

const ROOT = join(import.meta.dirname, '../../..');
const dir = mkdtempSync(join(tmpdir(), 'lectern-recipes-'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Where Debian's libnginx-mod-rtmp puts it. */
const RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** A file or folder of this repository, named in running text. */
const REPOSITORY_PATH = /`((?:bin|docs|gateway|school|server|sfu|shared|tests|web)\/[^`\s<*…{]+)`/g;

const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...globSync('docs/**/*.md', { cwd: ROOT }).sort(),
];
const text = (page: string) => readFileSync(join(ROOT, page), 'utf8');

/** Every block of `language` in the pages, with where it is. */
const blocks = (language: string) =>
  PAGES.flatMap((page) => codeBlocks(text(page), language).map((code) => ({ page, code })));

/** Runs a program; its status, and all that it said. */
function run(file: string, args: readonly string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

/** Skips where `program` is not installed. */
function recipe(name: string, program: string, tell: () => void): void {
  const missing = spawnSync(program, ['--help'], { stdio: 'ignore' }).error !== undefined;
  void test(name, { skip: missing && `${program} is not installed` }, tell);
}

recipe('nginx loads every configuration in the docs, Debian 12 included', 'nginx', () => {
  const cert = join(dir, 'cert.pem');
  const key = join(dir, 'key.pem');
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=x'],
    { stdio: 'ignore' },
  );
  const all = blocks('nginx');
  assert.ok(all.length >= 3);
  for (const { page, code } of all) {
    const rtmp = /^rtmp /m.test(code);
    if (rtmp && !existsSync(RTMP_MODULE)) continue;
    const here = code
      .replace(/(ssl_certificate +).*;/, `$1${cert};`)
      .replace(/(ssl_certificate_key +).*;/, `$1${key};`)
      .replace('/var/cache/nginx/lectern', join(dir, 'cache'))
      .replaceAll('origin.example.org', '127.0.0.1');
    const file = join(dir, 'nginx.conf');
    const top = `${rtmp ? `load_module ${RTMP_MODULE};` : ''} pid ${join(dir, 'pid')}; error_log stderr; events {}\n`;
    writeFileSync(file, top + (rtmp ? here : `http { access_log off;\n${here}\n}\n`));
    const { status, said } = run('nginx', ['-t', '-p', dir, '-c', file]);
    assert.equal(status, 0, `${page}: ${said}`);
  }
});

recipe('Caddy takes its files, formatted as it formats them', 'caddy', () => {
  const all = blocks('caddyfile');
  assert.equal(all.length, 2);
  for (const { page, code } of all) {
    const file = join(dir, 'Caddyfile');
    writeFileSync(file, code);
    const { status, said } = run('caddy', ['validate', '--adapter', 'caddyfile', '--config', file]);
    assert.equal(status, 0, `${page}: ${said}`);
    assert.equal(run('caddy', ['fmt', file]).said, code, page);
  }
});

recipe(
  'systemd takes the unit, and it may open the ports that the TLS section names',
  'systemd-analyze',
  () => {
    const [unit = ''] = codeBlocks(text('docs/operations.md'), 'ini');
    const file = join(dir, 'lectern.service');
    writeFileSync(file, unit);
    const { status, said } = run('systemd-analyze', ['verify', file]);
    assert.equal(`${status} ${said}`, '0 ');
    assert.match(text('docs/operations.md'), /LECTERN_PORT=443/);
    assert.match(unit, /^AmbientCapabilities=.*CAP_NET_BIND_SERVICE/m);
  },
);

test('every shell block can be read by a shell, and every JSON block is JSON', () => {
  for (const { page, code } of blocks('sh')) {
    // Places to fill in, like `<channel>`, stand within quotes: elsewhere a shell takes them for files.
    const { status, said } = run('bash', ['-n', '-c', code]);
    assert.equal(status, 0, `${page}: ${said}`);
    assert.doesNotMatch(code.replace(/"[^"]*"|'[^']*'|#.*$/gm, ''), /<[a-z]/, page);
  }
  for (const { page, code } of blocks('json')) assert.doesNotThrow(() => JSON.parse(code), page);
});

test('every page, heading and file that the docs name is there', () => {
  const anchors = (page: string) =>
    [...text(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replace(/\s/g, '-'),
    );
  const missing: string[] = [];
  for (const page of PAGES) {
    const prose = text(page).replace(/^```[^]*?^```/gm, '');
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      const there = existsSync(join(ROOT, file)) && (anchor === undefined || anchors(file).includes(anchor));
      if (!there) missing.push(`${page} links to ${target}`);
    }
    for (const [, name = ''] of prose.matchAll(REPOSITORY_PATH)) {
      const there = [name, `${name}.ts`].some((file) => existsSync(join(ROOT, file)));
      if (!there) missing.push(`${page} names ${name}`);
    }
  }
  assert.deepEqual(missing, []);
});
