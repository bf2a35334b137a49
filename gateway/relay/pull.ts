// A picture from outside: one ffmpeg that takes it from an RTMP, HTTP-FLV or HLS source and hands it over
// as FLV, from where it goes the way of every publisher.
import { codeOf } from '#shared/contract/errors.ts';
import { FlvDemuxer, type FlvTag } from '#shared/media/flv.ts';
import { startFfmpeg, type Ffmpeg } from './ffmpeg.ts';
import type { RelayIngress, IngressAsk, OpenIngress } from './ports.ts';
import { unreachable } from './push.ts';
import { because, type Run, type RunEnd } from './relay.ts';
import { openWay, type Outside, type Way } from './way.ts';

/** A source that sends nothing for this long is gone. */
const SILENT_MS = 15_000;
const SILENT = because('sends-nothing');
/** A source that sends faster than life (a file, the first segments) is read only so far ahead of it. */
const AHEAD_MS = 2_000;
const LOOK_EVERY_MS = 1_000;

/** Refusals after which another try is of no use. */
const FINAL: readonly string[] = ['room-closed', 'peer-removed'];

/** A playlist may name anything: neither files nor other protocols nor odd formats are opened for it. */
const PROTOCOLS = 'rtmp,rtmps,http,https,httpproxy,tcp,tls,crypto';
const FORMATS = 'flv,live_flv,hls,mpegts,mov,mp4,aac,mp3';

export interface PullOptions extends IngressAsk {
  readonly url: string;
  readonly open: OpenIngress;
  readonly outside: Outside;
}

export function createPull({ url, open, outside, ...ask }: PullOptions): Run {
  // Found out on the first try: AAC passes as it is, other sound is made AAC.
  let audioCodec: 'copy' | 'aac' = 'copy';

  return async (signal, events): Promise<RunEnd> => {
    events.connecting();
    let address: Way;
    try {
      address = await openWay(url, outside, (reason) => child.kill(reason));
    } catch (error) {
      return unreachable(error);
    }
    if (signal.aborted) {
      address.close();
      return { how: 'idle' };
    }
    let isInput = false;
    let isOtherCodec = false;
    const child = startFfmpeg({
      ...outside,
      args: [
        ...['-loglevel', 'level+info', '-protocol_whitelist', PROTOCOLS, '-format_whitelist', FORMATS],
        ...[...address.options, '-i', address.url, '-sn', '-dn', '-c:v', 'copy', '-c:a', audioCodec],
        ...(audioCodec === 'aac' ? ['-b:a', '128k', '-ar', '48000', '-ac', '2'] : []),
        ...['-f', 'flv', '-flvflags', 'no_duration_filesize', '-flush_packets', '1', 'pipe:1'],
      ],
      url,
      alias: address.url,
      onLine(line) {
        if (/\] Input #|^Input #/.test(line)) isInput = true;
        if (/Output #/.test(line)) isInput = false;
        const codec = /Stream #.*: Audio: (\w+)/.exec(line)?.[1];
        if (!isInput || audioCodec === 'aac' || codec === undefined || codec === 'aac') return;
        audioCodec = 'aac';
        isOtherCodec = true;
        child.kill();
      },
    });
    const feeding = new Feeding(child, () => open(ask, (error) => feeding.refuse(error)), events.running);
    const onAbort = () => {
      feeding.end(signal.reason === 'removed' ? 'finished' : 'lost');
      child.kill();
    };
    signal.addEventListener('abort', onAbort);
    const end = await child.ended;
    address.close();
    signal.removeEventListener('abort', onAbort);
    feeding.end('lost');
    const refusal = feeding.refusal;
    if (refusal !== undefined) {
      const code = codeOf(refusal);
      return { how: FINAL.includes(code) ? 'failed' : 'lost', reason: because(code) };
    }
    if (isOtherCodec) return { how: 'again' };
    if (end.how === 'missing') return { how: 'failed', reason: end.reason };
    return { how: 'lost', reason: end.how === 'failed' ? end.reason : because('source-ended') };
  };
}

/** Takes what ffmpeg hands over into the class, no faster than life. */
class Feeding {
  readonly #child: Ffmpeg;
  readonly #demuxer = new FlvDemuxer();
  readonly #enter: () => Promise<RelayIngress>;
  readonly #onRunning: () => void;
  readonly #timer: NodeJS.Timeout;
  #pause: NodeJS.Timeout | undefined;
  #ingress: RelayIngress | undefined;
  #state: 'waiting' | 'entering' | 'open' | 'over' = 'waiting';
  #heardAtMs = performance.now();
  /** Why it was not let in, or thrown out. */
  refusal: Error | undefined;

  constructor(child: Ffmpeg, enter: () => Promise<RelayIngress>, onRunning: () => void) {
    this.#child = child;
    this.#enter = enter;
    this.#onRunning = onRunning;
    child.stdout.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#timer = setInterval(() => {
      if (performance.now() - this.#heardAtMs > SILENT_MS) child.kill(SILENT);
    }, LOOK_EVERY_MS);
  }

  refuse(error: Error): void {
    this.refusal ??= error;
    this.#child.kill();
  }

  /** `finished`: it is not wanted any more. `lost`: it may come back. Idempotent. */
  end(how: 'finished' | 'lost'): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearInterval(this.#timer);
    clearTimeout(this.#pause);
    this.#ingress?.end(how);
  }

  #take(bytes: Buffer): void {
    if (this.#state === 'over') return;
    this.#heardAtMs = performance.now();
    try {
      const tags = this.#demuxer.readBytes(bytes);
      if (this.#ingress !== undefined) this.#give(this.#ingress, tags);
      else if (tags.length > 0) void this.#open(tags);
    } catch (error) {
      this.#child.kill(because('unreadable', String(error)));
    }
  }

  /** Nothing more is read until the class has let it in. */
  async #open(first: readonly FlvTag[]): Promise<void> {
    this.#state = 'entering';
    this.#child.stdout.pause();
    try {
      const ingress = await this.#enter();
      // It was ended while the ingress opened, which only this place knows of.
      if (this.#isOver()) {
        ingress.end('finished');
        return;
      }
      this.#state = 'open';
      this.#ingress = ingress;
      this.#give(ingress, first);
      this.#heardAtMs = performance.now();
      if (this.#pause === undefined) this.#child.stdout.resume();
    } catch (error) {
      this.refuse(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #give(ingress: RelayIngress, tags: readonly FlvTag[]): void {
    for (const { type, timestampMs, body } of tags) {
      ingress.publishTag(type, timestampMs, body);
      if (type !== 'script') this.#onRunning();
    }
    const aheadMs = ingress.aheadMs - AHEAD_MS;
    if (aheadMs <= 0 || this.#pause !== undefined) return;
    this.#child.stdout.pause();
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.#heardAtMs = performance.now();
        this.#child.stdout.resume();
      },
      Math.min(aheadMs, SILENT_MS / 2),
    );
  }
}
