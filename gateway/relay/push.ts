// A class sent on: one ffmpeg that takes the programme as FLV and hands it to an RTMP server, unchanged.
import type { Readable } from 'node:stream';
import type { Reader } from '../flv/fanout.ts';
import { relayWire } from '../flv/tag.ts';
import { PrivateAddressError } from '#server/outgoing.ts';
import { startFfmpeg } from './ffmpeg.ts';
import type { RelaySource } from './ports.ts';
import { because, type Run, type RunEnd } from './relay.ts';
import { openWay, type Outside, type Way } from './way.ts';

/** A server that takes nothing for this long, though there is something to send, is gone. */
const STALLED_MS = 15_000;
const LOOK_EVERY_MS = 1_000;
const STALLED = because('takes-nothing');
/** What FLV needs at its start to tell picture and sound: all of it is in the first moments. */
const ANALYSE_US = 1_500_000;

export interface PushOptions {
  readonly channel: string;
  readonly url: string;
  readonly onAir: RelaySource;
  readonly outside: Outside;
}

export function createPush({ channel, url, onAir, outside }: PushOptions): Run {
  return async (signal, events): Promise<RunEnd> => {
    if (onAir.programme(channel) === undefined) return { how: 'idle' };
    events.connecting();
    let address: Way;
    try {
      address = await openWay(url, outside, (reason) => child.kill(reason));
    } catch (error) {
      return unreachable(error);
    }
    const programme = onAir.programme(channel);
    if (programme === undefined || signal.aborted) {
      address.close();
      return { how: 'idle' };
    }
    const child = startFfmpeg({
      ...outside,
      args: [
        ...['-loglevel', 'level+warning', '-progress', 'pipe:1'],
        ...['-analyzeduration', String(ANALYSE_US), '-f', 'flv', '-i', 'pipe:0'],
        ...['-map', '0:v?', '-map', '0:a?', '-c', 'copy'],
        ...['-f', 'flv', '-flvflags', 'no_duration_filesize', ...address.options, address.url],
      ],
      url,
      alias: address.url,
    });
    let movedAtMs = performance.now();
    const stop = onProgress(child.stdout, () => {
      movedAtMs = performance.now();
      events.running();
    });
    const reader: Reader = {
      write(...pieces) {
        for (const bytes of pieces) child.stdin.write(bytes);
      },
      backlog: () => child.stdin.writableLength,
      close(how) {
        if (how === 'at-once') child.kill(STALLED);
        else child.stdin.end();
      },
    };
    const timer = setInterval(() => {
      if (child.stdin.writableLength === 0 && !child.stdin.writableEnded) movedAtMs = performance.now();
      else if (performance.now() - movedAtMs > STALLED_MS) child.kill(STALLED);
    }, LOOK_EVERY_MS);
    const onAbort = () => child.kill();
    signal.addEventListener('abort', onAbort);
    programme.join(relayWire, reader);
    const end = await child.ended;
    address.close();
    signal.removeEventListener('abort', onAbort);
    clearInterval(timer);
    stop();
    programme.leave(reader);
    if (end.how === 'missing') return { how: 'failed', reason: end.reason };
    // The broadcast is over: there is nothing to send, however ffmpeg said goodbye.
    if (onAir.programme(channel) === undefined || end.how === 'finished') return { how: 'idle' };
    return { how: 'lost', reason: end.reason };
  };
}

/** Calls back for each report of ffmpeg that says more was written. Returns what ends it. */
function onProgress(stdout: Readable, onMoved: () => void): () => void {
  let reached = 0;
  let pending = '';
  const take = (bytes: Buffer) => {
    const lines = (pending + bytes.toString('latin1')).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const us = Number(/^out_time_us=(\d+)$/.exec(line)?.[1] ?? 0);
      if (us <= reached) continue;
      reached = us;
      onMoved();
    }
  };
  stdout.on('data', take);
  return () => stdout.off('data', take);
}

/** What an address means that cannot be looked up, or may not be gone to. */
export function unreachable(error: unknown): RunEnd {
  if (error instanceof PrivateAddressError) return { how: 'failed', reason: because('private-address') };
  const { code = null } = error as NodeJS.ErrnoException;
  return { how: 'lost', reason: because('name-unknown', code) };
}
