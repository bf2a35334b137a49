// The relays of a gateway, with its real programme to send and an ingress that keeps what is pulled.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Registry } from 'prom-client';
import type { FlvTagType } from '#shared/media/flv.ts';
import type { RelaysInfo } from '#shared/contract/relay.ts';
import { createLog } from '#server/log.ts';
import type { IngressAsk } from '../../../gateway/relay/ports.ts';
import { Relays } from '../../../gateway/relay/relays.ts';
import { shoot, type Film } from '../gateway-egress/film.ts';
import { info, looped, startRig, type Rig } from '../gateway-egress/rig.ts';

export const CHANNEL = info.channel;
export const ABOUT = { lesson: info.lesson, title: info.title };

export interface Pulled {
  readonly asks: IngressAsk[];
  readonly tags: { type: FlvTagType; timestampMs: number; body: Uint8Array }[];
  readonly ends: ('finished' | 'lost')[];
  /** Rejects anyone who wants in, while it is set. */
  refusal: Error | undefined;
  /** Throws out who is in. */
  throwOut: (error: Error) => void;
  /** What the class says of how far ahead it is, in ms. */
  aheadMs: number;
}

export interface RelayRig {
  readonly egress: Rig;
  readonly relays: Relays;
  readonly pulled: Pulled;
  readonly metrics: Registry;
  readonly lines: string[];
  readonly dir: string;
  /** Puts the class on air; returns what takes it off. */
  goLive(): () => void;
  /** Waits until the relays are as `test` says. */
  until(what: string, test: (now: RelaysInfo) => boolean, limitMs?: number): Promise<RelaysInfo>;
  /** Ends the gateway's relays and opens them again on the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

let film: Promise<Film> | undefined;

export async function startRelayRig(
  options: { allowPrivate?: boolean; ffmpeg?: string; authorities?: readonly string[] } = {},
): Promise<RelayRig> {
  const egress = await startRig();
  const dir = mkdtempSync(join(tmpdir(), 'lectern-relays-'));
  const lines: string[] = [];
  const log = createLog('debug', 'gateway', { write: (line: string) => lines.push(line) });
  const reel = await (film ??= shoot(4, 1));
  const pulled: Pulled = {
    asks: [],
    tags: [],
    ends: [],
    refusal: undefined,
    throwOut: () => undefined,
    aheadMs: 0,
  };
  let metrics = new Registry();
  const open = () => {
    metrics = new Registry();
    return Relays.open({
      dir,
      onAir: egress.egress,
      async open(ask, onRefused) {
        pulled.asks.push(ask);
        if (pulled.refusal !== undefined) throw pulled.refusal;
        pulled.throwOut = onRefused;
        return {
          publishTag: (type, timestampMs, body) =>
            void pulled.tags.push({ type, timestampMs, body: body.slice() }),
          get aheadMs() {
            return pulled.aheadMs;
          },
          end: (how) => void pulled.ends.push(how),
        };
      },
      ffmpeg: options.ffmpeg ?? 'ffmpeg',
      allowPrivate: options.allowPrivate ?? true,
      authorities: () => options.authorities ?? [],
      metrics,
      log,
    });
  };
  const ends: (() => void)[] = [];
  let relays = await open();
  const rig: RelayRig = {
    egress,
    get relays() {
      return relays;
    },
    pulled,
    get metrics() {
      return metrics;
    },
    lines,
    dir,
    goLive() {
      const onAir = egress.goLive();
      const all = looped(reel, 20);
      const startMs = performance.now();
      const startUs = all[0]?.atUs ?? 0;
      const timer = setInterval(() => {
        const dueUs = (performance.now() - startMs) * 1_000 + startUs;
        const later = all.findIndex(({ atUs }) => atUs > dueUs);
        onAir.send(all.splice(0, Math.max(0, later)));
      }, 10);
      const end = () => {
        clearInterval(timer);
        onAir.programme.end();
        void onAir.ladder.end();
      };
      ends.push(end);
      return end;
    },
    async until(what, test, limitMs = 20_000) {
      const end = performance.now() + limitMs;
      for (;;) {
        const now = relays.get(CHANNEL);
        if (test(now)) return now;
        if (performance.now() > end) {
          throw new Error(`${what}: not within ${limitMs} ms, but ${JSON.stringify(now)}`);
        }
        await sleep(50);
      }
    },
    async restart() {
      await relays.close();
      relays = await open();
    },
    async close() {
      for (const end of ends) end();
      await relays.close();
      await egress.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return rig;
}

const run = promisify(execFile);

/** `codec_name,width` of each stream, as ffprobe sees them. */
export async function probe(url: string): Promise<string[]> {
  const args = ['-v', 'error', '-rw_timeout', '4000000', '-show_entries', 'stream=codec_name,width'];
  const { stdout } = await run('ffprobe', [...args, '-of', 'csv=p=0', url], { timeout: 20_000 });
  return stdout.trim().split('\n').sort();
}
