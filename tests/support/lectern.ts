// A whole Lectern for a test: the real supervisor and services on free ports, in a data folder of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lesson } from '#shared/contract/rest.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The page may have to be built and the worker be verified first. */
const READY_LIMIT_MS = 120_000;

/** One line of the JSON log. */
export type LogLine = Record<string, unknown> & { msg?: string; service?: string };

export interface Lectern {
  readonly url: string;
  readonly ownerLink: string;
  readonly apiKey: string;
  readonly dataDir: string;
  /** The process that runs the others and the front door. */
  readonly supervisorPid: number;
  /** Everything that was logged so far. */
  readonly log: readonly LogLine[];
  /** The present process id of a service; of its newest start. */
  pid(service: 'school' | 'gateway' | 'sfu'): number;
  /** Ends a service with SIGKILL and resolves when the supervisor has started it again. */
  kill(service: 'school' | 'gateway' | 'sfu'): Promise<void>;
  /** Calls the REST API as the owner; throws on a status of 400 or above. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  startClass(title?: string): Promise<Lesson>;
  /** Stops all of it; removes the data folder unless it was given. */
  stop(): Promise<void>;
}

/** Starts a whole Lectern; `env` adds settings. */
export async function startLectern(env: Record<string, string> = {}): Promise<Lectern> {
  const givenData = env.LECTERN_DATA;
  const dataDir = givenData ?? mkdtempSync(join(tmpdir(), 'lectern-test-'));
  const apiKey = 'a-key-for-the-tests-only';
  const child = spawn(process.execPath, [join(ROOT, 'bin/start.ts')], {
    cwd: ROOT,
    // Over the channel it notices if this process is killed (bin/signals.ts): nothing is left behind.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...process.env,
      ...Object.fromEntries(
        ['', 'GATEWAY_', 'SCHOOL_', 'SFU_', 'RTMP_', 'INGEST_', 'RTC_'].map((name) => [
          `LECTERN_${name}PORT`,
          '0',
        ]),
      ),
      LECTERN_HOST: '127.0.0.1',
      // Smaller renditions cost CPU in every class of one size: who tests them turns them on.
      LECTERN_LADDERS: '0',
      LECTERN_LOG_FORMAT: 'json',
      LECTERN_API_KEY: apiKey,
      LECTERN_DATA: dataDir,
      ...env,
    },
  });
  const log: LogLine[] = [];
  const watchers = new Set<(line: LogLine) => void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (text) => {
      let line: LogLine;
      try {
        line = JSON.parse(text) as LogLine;
      } catch {
        line = { msg: text };
      }
      log.push(line);
      if (process.env.LECTERN_TEST_LOG !== undefined) process.stderr.write(`${text}\n`);
      for (const watcher of watchers) watcher(line);
    });
  }
  const seen = (match: (line: LogLine) => boolean, what: string) =>
    new Promise<LogLine>((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        watchers.delete(watcher);
        child.off('exit', ended);
      };
      const watcher = (line: LogLine) => {
        if (!match(line)) return;
        done();
        resolve(line);
      };
      const fail = (why: string) => {
        done();
        const tail = log
          .slice(-25)
          .map((line) => JSON.stringify(line))
          .join('\n');
        reject(new Error(`${what}: ${why}\n${tail}`));
      };
      const ended = () => fail('Lectern ended');
      const timer = setTimeout(() => fail(`not within ${READY_LIMIT_MS} ms`), READY_LIMIT_MS);
      watchers.add(watcher);
      child.once('exit', ended);
    });

  const ready = await seen((line) => line.service === 'lectern' && line.msg === 'ready', 'start of Lectern');
  const url = String(ready.url).replace(/\/$/, '');

  const pid: Lectern['pid'] = (service) => {
    const started = log.findLast((line) => line.msg === 'service started' && line.name === service);
    if (started === undefined) throw new Error(`${service} was never started`);
    return Number(started.pid);
  };
  const api: Lectern['api'] = async (method, path, body) => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  return {
    url,
    ownerLink: String(ready.ownerLink),
    apiKey,
    dataDir,
    supervisorPid: child.pid ?? 0,
    log,
    pid,
    async kill(service) {
      const again = seen(
        (line) => line.msg === 'service started' && line.name === service,
        `restart of ${service}`,
      );
      process.kill(pid(service), 'SIGKILL');
      await again;
    },
    api,
    startClass: async (title = 'Photosynthesis') => Lesson.parse(await api('POST', '/lessons', { title })),
    async stop() {
      await end(child);
      if (givenData === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const forced = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await gone;
  clearTimeout(forced);
}

/**
 * Asks again and again until `probe` gives something other than undefined or false.
 * Throws, naming `what`, after `limitMs`.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 15_000,
  everyMs = 100,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`not within ${limitMs} ms: ${what}${last === undefined ? '' : ` (${String(last)})`}`);
    }
    await sleep(everyMs);
  }
}
