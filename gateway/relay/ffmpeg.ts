// One ffmpeg of a relay: started, listened to, killed. What it says never carries a key.
import type { Readable, Writable } from 'node:stream';
import { redactRelay, type RelayReason } from '#shared/contract/relay.ts';
import { startProcess, type ProcessEnd } from '../ffmpeg/process.ts';
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
  const hide = redactor(url);
  const [near, far] = [alias, url].map((address) => `//${new URL(address).host}`) as [string, string];
  let error: string | undefined;
  let killed: RelayReason | undefined;
  const process = startProcess({
    ffmpeg,
    args: ['-nostats', ...args],
    // No other way than through the proxy.
    env: { http_proxy: proxy },
    onLine(raw) {
      const line = hide(raw.replaceAll(near, far));
      onLine?.(line);
      const text = line.replace(/^(\[[^\]]*\] )*/, '').trim();
      if (/\[(error|fatal|panic)\]/.test(line) && !ECHOES.test(text)) error = text;
    },
  });
  const [stdout] = process.outputs;
  if (stdout === undefined) throw new Error('ffmpeg has an output');
  return {
    stdin: process.stdin,
    stdout,
    ended: process.ended.then((end) => endOf(end, killed ?? (error === undefined ? undefined : said(error)))),
    kill(reason) {
      killed ??= reason;
      process.kill();
    },
  };
}

/** Its own words. */
const said = (text: string) => because('program', text);

function endOf(end: ProcessEnd, reason: RelayReason | undefined): FfmpegEnd {
  if (end.how === 'finished') return { how: 'finished' };
  if (end.how === 'missing') return { how: 'missing', reason: because('no-ffmpeg') };
  return { how: 'failed', reason: reason ?? said(`ffmpeg ended without a word (${end.by}).`) };
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
