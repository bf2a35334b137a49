// AAC → Opus: one ffmpeg per publication, Matroska in, Ogg out. What comes out is longer or shorter than what
// went in, so each frame's time is kept here and found again by counting samples.
import { parseAudioSpecificConfig, withRateIndex } from '#shared/media/aac.ts';
import type { AudioConfig } from '#shared/media/frame.ts';
import { OPUS_SAMPLE_RATE, opusPacketInfo } from '#shared/media/opus.ts';
import { audioMatroska } from '../../ffmpeg/containers/matroska.ts';
import { outputPipe, startProcess, type FfmpegProcess } from '../../ffmpeg/process.ts';
import { OggOpusReader } from '../../ffmpeg/containers/ogg.ts';

const BITRATE = '128k';
/** Above this ffmpeg does not keep up: sound is left out rather than late. */
const MAX_QUEUED_BYTES = 256 * 1024;
const MAX_MARKS = 4_096;

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
  readonly #process: FfmpegProcess;
  readonly #ogg = new OggOpusReader();
  /** Per AAC frame, and of what they are counted in. */
  readonly #frameSamples: number;
  readonly #coreRate: number;
  #marks: Mark[] = [];
  #samplesIn = 0;
  /** At 48 kHz. */
  #samplesOut = 0;
  #state: 'open' | 'finishing' | 'closed' = 'open';

  constructor(options: OpusChildOptions) {
    this.#options = options;
    const { description } = options.config;
    // ffmpeg knows no other rates than those of the table, and would play others too fast or too slow.
    const record = withRateIndex(description);
    const { coreRate, sampleRate, frameSamples, channels } = parseAudioSpecificConfig(description);
    this.#coreRate = coreRate;
    this.#frameSamples = frameSamples;
    this.#process = startProcess({
      ffmpeg: options.ffmpeg,
      args: [
        ...['-v', 'error', '-probesize', '32', '-analyzeduration', '0', '-f', 'matroska', '-i', 'pipe:0'],
        ...(record === description ? [] : ['-af', `asetrate=${sampleRate}`]),
        ...['-ac', '2', '-ar', String(OPUS_SAMPLE_RATE), '-c:a', 'libopus', '-b:a', BITRATE],
        ...['-application', 'audio', '-frame_duration', '20'],
        ...['-f', 'ogg', '-page_duration', '1', '-flush_packets', '1', outputPipe(0)],
      ],
      onLine: options.onLog,
    });
    this.#process.outputs[0]?.on('data', (bytes: Buffer) => this.#read(bytes));
    void this.#process.ended.then(({ how }) => this.#end(how === 'missing'));
    const audio = { codecId: 'A_AAC', record, sampleRate: coreRate, channels };
    this.#process.stdin.write(audioMatroska.header(audio));
  }

  /** Takes one raw AAC frame. */
  writeFrame(data: Uint8Array, ptsUs: number): void {
    if (this.#state !== 'open') return;
    if (this.#process.stdin.writableLength > MAX_QUEUED_BYTES) return;
    this.#marks.push({ sample: this.#samplesIn, ptsUs });
    // What ffmpeg cannot decode never comes out: the marks must not grow for it.
    if (this.#marks.length > MAX_MARKS) this.#marks = this.#marks.slice(MAX_MARKS / 2);
    const timeMs = Math.round((this.#samplesIn * 1_000) / this.#coreRate);
    this.#samplesIn += this.#frameSamples;
    this.#process.stdin.write(audioMatroska.writeFrame(data, timeMs));
  }

  /** Nothing more comes. Resolves when what is in ffmpeg has come out; to be bounded by {@link close}. */
  async finish(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'finishing';
    this.#process.stdin.end();
    await this.#process.ended;
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#process.kill();
  }

  #end(isMissing: boolean): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    this.#options.onEnd(isMissing);
  }

  #read(bytes: Buffer): void {
    if (this.#state === 'closed') return;
    try {
      for (const packet of this.#ogg.readBytes(bytes)) {
        const { durationUs } = opusPacketInfo(packet);
        const ptsUs = this.#timeOf(this.#samplesOut - this.#ogg.preSkip);
        this.#samplesOut += (durationUs * OPUS_SAMPLE_RATE) / 1_000_000;
        if (ptsUs !== undefined) this.#options.onPacket(packet, ptsUs, durationUs);
      }
    } catch (error) {
      this.#options.onLog(`its output is damaged: ${String(error)}`);
      this.#process.kill();
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
