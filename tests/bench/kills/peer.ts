// nginx-rtmp with `record all` under the same kills: what is in its files afterwards.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAvcc } from '#shared/media/avc.ts';
import { FlvDemuxer, parseAudioBody, parseVideoBody, type FlvTag } from '#shared/media/flv.ts';
import { family } from '../../support/cost.ts';
import { endChild } from '../../support/end-child.ts';
import { freePort } from '../../support/free-port.ts';
import { eventually } from '../../support/lectern.ts';
import { markOf, numberedFilm, type SentPicture } from '../../support/numbered-source.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';
import { startNginxRtmp } from '../peer/nginx-rtmp.ts';
import { examine, heldOf, lossesOf, marksOf, type Lost, type Run } from './recorded.ts';

const RETRY_MS = 150;
const STEP_MS = 5;

export interface PeerOutcome {
  readonly losses: readonly Lost[];
  readonly files: number;
  /** What ffprobe or a decoder say of files that are not as they should be. */
  readonly faults: readonly string[];
  /** How much of what was sent is in none of them, in ms, but for what was sent while it did not run. */
  readonly lostMs: number;
  readonly sentMs: number;
}

/** The film as RTMP has it, with the sound as AAC. */
function tagsOfFilm(): FlvTag[] {
  const args = ['-v', 'error', '-i', numberedFilm(), '-c:v', 'copy', '-c:a', 'aac', '-f', 'flv', 'pipe:1'];
  const flv = execFileSync('ffmpeg', args, { maxBuffer: 64 * 1024 * 1024 });
  return new FlvDemuxer().readBytes(flv).filter(({ type }) => type !== 'script');
}

const isConfig = ({ type, body }: FlvTag): boolean =>
  (type === 'video' ? parseVideoBody(body) : parseAudioBody(body)).type === 'config';
const isKey = ({ type, body }: FlvTag): boolean => {
  const picture = type === 'video' ? parseVideoBody(body) : undefined;
  return picture?.type === 'frame' && picture.key;
};

/** Publishes the film again and again; after a loss of the server it connects again and begins with a key frame. */
class Encoder {
  readonly sent: SentPicture[] = [];
  readonly #port: number;
  readonly #configs: readonly FlvTag[];
  readonly #media: readonly FlvTag[];
  readonly #filmMs: number;
  #at = 0;
  #client: RtmpPublisherClient | undefined;
  #isClosed = false;
  readonly #running: Promise<void>;

  constructor(port: number) {
    this.#port = port;
    const tags = tagsOfFilm();
    this.#configs = tags.filter(isConfig);
    this.#media = tags.filter((tag) => !isConfig(tag));
    this.#filmMs = (this.#media.at(-1)?.timestampMs ?? 0) + 33;
    this.#running = this.#run();
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#client?.socket.destroy();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const client = await RtmpPublisherClient.open(this.#port);
        await client.publish('class');
        this.#client = client;
        await this.#publish(client);
      } catch {
        // Nobody listens now.
      }
      this.#client = undefined;
      await sleep(RETRY_MS);
    }
  }

  async #publish(client: RtmpPublisherClient): Promise<void> {
    for (const { type, body } of this.#configs) client.send(type, 0, body);
    while (!isKey(this.#tag())) this.#at += 1;
    const beganMs = performance.now();
    const firstMs = this.#tagMs();
    while (!client.socket.destroyed) {
      while (this.#tagMs() - firstMs <= performance.now() - beganMs)
        this.#send(client, this.#tagMs() - firstMs);
      await sleep(STEP_MS);
    }
  }

  #send(client: RtmpPublisherClient, timestampMs: number): void {
    const { type, body } = this.#tag();
    client.send(type, timestampMs, body);
    this.#at += 1;
    if (type !== 'video') return;
    const picture = parseVideoBody(body);
    if (picture.type === 'frame') this.sent.push({ mark: markOf(readAvcc(picture.data)), atMs: Date.now() });
  }

  #tag(): FlvTag {
    const tag = this.#media[this.#at % this.#media.length];
    if (tag === undefined) throw new Error('an empty film');
    return tag;
  }

  #tagMs(): number {
    return this.#tag().timestampMs + Math.floor(this.#at / this.#media.length) * this.#filmMs;
  }
}

/** Kills it `kills` times, master and worker, each `waitMs` after media flow again; `record` are its directives. */
export async function killNginx(kills: number, waitMs: () => number, record: string): Promise<PeerOutcome> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-peer-'));
  const port = await freePort();
  const start = () => startNginxRtmp(dir, port, `record all; record_path ${dir}; ${record}`, true);
  let server = start();
  const encoder = new Encoder(port);
  const runs: Run[] = [];
  try {
    for (let kill = 0; kill <= kills; kill += 1) {
      await eventually('it takes media', () => encoder.isConnected, 15_000, 20);
      const fromMs = Date.now();
      await sleep(waitMs());
      const killedMs = Date.now();
      // The last end is a proper one: what it costs is not counted.
      if (kill === kills) break;
      runs.push({ fromMs, killedMs });
      for (const pid of family(server.pid ?? 0)) process.kill(pid, 'SIGKILL');
      await endChild(server);
      await eventually('the encoder noticed', () => !encoder.isConnected, 15_000, 20);
      server = start();
    }
    await encoder.close();
    await sleep(500);
    const files = readdirSync(dir)
      .filter((name) => name.endsWith('.flv'))
      .map((name) => join(dir, name))
      .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
    const { sent } = encoder;
    const held = heldOf(
      sent,
      files.flatMap((file) => marksOf(readFileSync(file))),
    );
    const faults: string[] = [];
    for (const file of files) faults.push((await examine(file)).faults);
    const losses = lossesOf(sent, held, runs);
    const lostMs = losses.reduce((sum, { withinMs, startMs, endMs }) => sum + withinMs + startMs + endMs, 0);
    const sentMs = runs.reduce((sum, { fromMs, killedMs }) => sum + killedMs - fromMs, 0);
    return { losses, files: files.length, faults: faults.filter((fault) => fault !== ''), lostMs, sentMs };
  } finally {
    await encoder.close();
    await endChild(server, 'SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  }
}
