// AAC → Opus: one ffmpeg per publication, ADTS in, Ogg out. ADTS carries no time, so each frame's time is
// kept here and found again by counting samples.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { plainEnv } from '#server/process-env.ts';
import { AAC_FRAME_SAMPLES, parseAudioSpecificConfig } from '#shared/media/aac.ts';
import type { AudioConfig } from '#shared/media/frame.ts';
import { OPUS_SAMPLE_RATE, opusPacketInfo } from '#shared/media/opus.ts';
import { OggOpusReader } from './ogg.ts';

const BITRATE = '128k';
/** Above this ffmpeg does not keep up: sound is left out rather than late. */
const MAX_QUEUED_BYTES = 256 * 1024;
const MAX_MARKS = 4_096;
const MAX_ADTS_BYTES = 0x1fff;
const ADTS_HEADER_BYTES = 7;
const AAC_LC = 2;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export interface OpusChildOptions {
  readonly ffmpeg: string;
  readonly config: AudioConfig;
  /** One Opus packet; `ptsUs` is when its first sample was heard. */
  readonly onPacket: (data: Uint8Array, ptsUs: number, durationUs: number) => void;
  /** It ended without being told to; `isMissing` if there is no ffmpeg at all. */
  readonly onEnd: (isMissing: boolean) => void;
  readonly onLog: (line: string) => void;
}

/** Where in the samples that went in a time was said. */
interface Mark {
  readonly sample: number;
  readonly ptsUs: number;
}

export class OpusChild {
  readonly #options: OpusChildOptions;
  readonly #child: Child;
  readonly #ogg = new OggOpusReader();
  readonly #header: (bytes: number) => Buffer;
  /** Per AAC frame, and of what they are counted in. */
  readonly #frameSamples = AAC_FRAME_SAMPLES;
  readonly #coreRate: number;
  #marks: Mark[] = [];
  #samplesIn = 0;
  /** At 48 kHz. */
  #samplesOut = 0;
  #state: 'open' | 'closed' = 'open';

  constructor(options: OpusChildOptions) {
    this.#options = options;
    const { index, rate, channels } = coreOf(options.config);
    this.#coreRate = rate;
    this.#header = (bytes) => adtsHeader(index, channels, bytes);
    this.#child = spawn(
      options.ffmpeg,
      [
        ...['-hide_banner', '-v', 'error', '-nostdin'],
        ...['-probesize', '32', '-analyzeduration', '0', '-f', 'aac', '-i', 'pipe:0'],
        ...['-ac', '2', '-ar', String(OPUS_SAMPLE_RATE), '-c:a', 'libopus', '-b:a', BITRATE],
        ...['-application', 'audio', '-frame_duration', '20'],
        ...['-f', 'ogg', '-page_duration', '1', '-flush_packets', '1', 'pipe:1'],
      ],
      { env: plainEnv(), stdio: ['pipe', 'pipe', 'pipe'] },
    );
    this.#child.stdout.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#child.stderr.setEncoding('utf8');
    this.#child.stderr.on('data', (text: string) => options.onLog(text.trim().slice(0, 500)));
    // The pipe breaks when ffmpeg ends; 'close' says so.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error: NodeJS.ErrnoException) => {
      this.#end(error.code === 'ENOENT' || error.code === 'EACCES');
    });
    this.#child.on('close', () => this.#end(false));
  }

  /** Takes one raw AAC frame. */
  push(data: Uint8Array, ptsUs: number): void {
    if (this.#state === 'closed' || data.length + ADTS_HEADER_BYTES > MAX_ADTS_BYTES) return;
    if (this.#child.stdin.writableLength > MAX_QUEUED_BYTES) return;
    this.#marks.push({ sample: this.#samplesIn, ptsUs });
    // What ffmpeg cannot decode never comes out: the marks must not grow for it.
    if (this.#marks.length > MAX_MARKS) this.#marks = this.#marks.slice(MAX_MARKS / 2);
    this.#samplesIn += this.#frameSamples;
    this.#child.stdin.write(Buffer.concat([this.#header(data.length), data]));
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#child.kill('SIGKILL');
  }

  #end(isMissing: boolean): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#options.onEnd(isMissing);
  }

  #read(bytes: Buffer): void {
    if (this.#state === 'closed') return;
    try {
      for (const packet of this.#ogg.push(bytes)) {
        const { durationUs } = opusPacketInfo(packet);
        const ptsUs = this.#timeOf(this.#samplesOut - this.#ogg.preSkip);
        this.#samplesOut += (durationUs * OPUS_SAMPLE_RATE) / 1_000_000;
        if (ptsUs !== undefined) this.#options.onPacket(packet, ptsUs, durationUs);
      }
    } catch (error) {
      this.#options.onLog(`its output is damaged: ${String(error)}`);
      this.#child.kill('SIGKILL');
    }
  }

  /** When the sample `at48k` of the output was heard; from its AAC frame on time is counted. */
  #timeOf(at48k: number): number | undefined {
    const sample = (at48k * this.#coreRate) / OPUS_SAMPLE_RATE;
    while (this.#marks[1] !== undefined && this.#marks[1].sample <= sample) this.#marks.shift();
    const mark = this.#marks[0];
    if (mark === undefined) return undefined;
    return mark.ptsUs + ((sample - mark.sample) * 1_000_000) / this.#coreRate;
  }
}

/**
 * What ADTS can say of a configuration: the AAC-LC that is within HE-AAC too, whose extension decoders
 * find by themselves. An AAC frame is 1,024 samples of that rate.
 */
function coreOf(config: AudioConfig): { index: number; rate: number; channels: number } {
  const [first = 0, second = 0] = config.description;
  const index = ((first & 7) << 1) | (second >> 7);
  // `parseAudioSpecificConfig` gives the rate that HE-AAC is extended to; this is the one below.
  const plain = Uint8Array.of((AAC_LC << 3) | (index >> 1), ((index & 1) << 7) | (second & 0x78));
  const { sampleRate, channels } = parseAudioSpecificConfig(plain);
  return { index, rate: sampleRate, channels };
}

/** ISO/IEC 14496-3 §1.A.2.2, AAC-LC without a checksum. */
function adtsHeader(rateIndex: number, channels: number, dataBytes: number): Buffer {
  const bytes = dataBytes + ADTS_HEADER_BYTES;
  const layout = channels === 8 ? 7 : channels;
  return Buffer.from([
    0xff,
    0xf1,
    ((AAC_LC - 1) << 6) | (rateIndex << 2) | (layout >> 2),
    ((layout & 3) << 6) | (bytes >> 11),
    (bytes >> 3) & 0xff,
    ((bytes & 7) << 5) | 0x1f,
    0xfc,
  ]);
}
