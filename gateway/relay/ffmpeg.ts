// One ffmpeg of a relay: started, listened to, killed. What it says never carries a key.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { plainEnv } from '#server/process-env.ts';
import { redactRelay, type RelayReason } from '#shared/contract/relay.ts';
import { because } from './relay.ts';

/** What follows from a failure, and says nothing of it. */
const ECHOES = /^(Conversion failed|Error writing trailer|Error closing file|Exiting normally)/;
/** The shortest part of an address that is looked for: `a` would be found everywhere. */
const MIN_SECRET_LENGTH = 4;

export interface FfmpegOptions {
  readonly ffmpeg: string;
  readonly args: readonly string[];
  /** The address outside, which is not to be repeated. */
  readonly url: string;
  /** What ffmpeg knows it by. */
  readonly alias: string;
  /** Where HTTP goes through. */
  readonly proxy: string;
  /** A line of its log, redacted. */
  readonly onLine?: (line: string) => void;
}

/** How it ended. `missing`: there is no such program. */
export type FfmpegEnd =
  | { readonly how: 'finished' }
  | { readonly how: 'failed'; readonly reason: RelayReason }
  | { readonly how: 'missing'; readonly reason: RelayReason };

export interface Ffmpeg {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Never rejects; resolves when the process is gone. */
  readonly ended: Promise<FfmpegEnd>;
  /** Ends it at once; `reason` is why, if the reason is not ffmpeg's. Idempotent. */
  kill(reason?: RelayReason): void;
}

export function startFfmpeg({ ffmpeg, args, url, alias, proxy, onLine }: FfmpegOptions): Ffmpeg {
  const child = spawn(ffmpeg, ['-hide_banner', '-nostdin', '-nostats', ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Nothing of ours: neither keys in the environment nor another way around the proxy.
    env: { ...plainEnv(), http_proxy: proxy },
  });
  // The pipe breaks when ffmpeg ends; 'close' says so.
  child.stdin.on('error', () => undefined);
  child.stdout.on('error', () => undefined);
  const hide = redactor(url);
  const [near, far] = [alias, url].map((address) => `//${new URL(address).host}`) as [string, string];
  let error: string | undefined;
  let killed: RelayReason | undefined;
  createInterface({ input: child.stderr }).on('line', (raw) => {
    const line = hide(raw.replaceAll(near, far));
    onLine?.(line);
    const text = line.replace(/^(\[[^\]]*\] )*/, '').trim();
    if (/\[(error|fatal|panic)\]/.test(line) && !ECHOES.test(text)) error = text;
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    ended: endOf(child, () => killed ?? (error === undefined ? undefined : said(error))),
    kill(reason) {
      killed ??= reason;
      child.kill('SIGKILL');
      // A pipe that somebody paused keeps what is in it, and 'close' would wait for that for ever.
      child.stdout.destroy();
    },
  };
}

/** Its own words. */
const said = (text: string) => because('program', text);

async function endOf(child: ChildProcess, reason: () => RelayReason | undefined): Promise<FfmpegEnd> {
  try {
    await once(child, 'close');
  } catch (error) {
    const isMissing = ['ENOENT', 'EACCES'].includes(String((error as NodeJS.ErrnoException).code));
    return isMissing
      ? { how: 'missing', reason: because('no-ffmpeg') }
      : { how: 'failed', reason: said(String(error)) };
  }
  if (child.exitCode === 0) return { how: 'finished' };
  const how = child.signalCode ?? child.exitCode;
  return { how: 'failed', reason: reason() ?? said(`ffmpeg ended without a word (${how}).`) };
}

/** Takes out of a text every address, and every part of `url` that may be a key. */
export function redactor(url: string): (text: string) => string {
  const { username, password, pathname, search, hash } = new URL(url);
  const parts = [username, password, ...pathname.split('/').slice(2), ...(search + hash).split(/[?&#=]/)];
  if (pathname.split('/').length === 2) parts.push(pathname.slice(1));
  const secrets = [...new Set(parts.flatMap((part) => [part, decode(part)]))]
    .filter((part) => part.length >= MIN_SECRET_LENGTH)
    .sort((a, b) => b.length - a.length);
  return (text) => {
    const shown = text.replace(/\b[a-z]+:\/\/[^\s'"]+/gi, (found) => {
      const trail = /[:,;.]*$/.exec(found)?.[0] ?? '';
      const bare = found.slice(0, found.length - trail.length);
      return (URL.canParse(bare) ? redactRelay(bare) : '***') + trail;
    });
    return secrets.reduce((line, secret) => line.replaceAll(secret, '***'), shown);
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
