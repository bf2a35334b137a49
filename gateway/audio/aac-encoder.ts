// libavcodec's AAC encoder as WebAssembly: the module inside @mediabunny/aac-encoder, called directly and
// synchronously. The package's own wrapper would start a worker for every stream.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';
import { z } from 'zod';
import type { ChannelCount } from './mixer.ts';

/** The encoder's C interface (src/bridge.c of the package). Pointers are numbers. */
interface AacModule {
  HEAPU8: Uint8Array<ArrayBuffer>;
  _init_encoder(channels: number, sampleRate: number, bitrate: number): number;
  _get_encoder_frame_size(context: number): number;
  _get_encode_input_ptr(context: number, bytes: number): number;
  _send_frame(context: number, pts: bigint): number;
  _receive_packet(context: number): number;
  _get_encoded_data(context: number): number;
  _get_encoded_pts(context: number): bigint;
  _close_encoder(context: number): void;
}

const FUNCTIONS = [
  '_init_encoder',
  '_get_encoder_frame_size',
  '_get_encode_input_ptr',
  '_send_frame',
  '_receive_packet',
  '_get_encoded_data',
  '_get_encoded_pts',
  '_close_encoder',
] as const;

const Loaded = z.custom<AacModule>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    'HEAPU8' in value &&
    FUNCTIONS.every((name) => name in value && typeof Reflect.get(value, name) === 'function'),
  'the AAC encoder is not the one that is known here',
);

/** Loads the module; one serves any number of encoders. Rejects if the package is not as expected. */
export async function loadAacModule(): Promise<AacModule> {
  const entry = createRequire(import.meta.url).resolve('@mediabunny/aac-encoder');
  const source = readFileSync(join(dirname(entry), '../modules/build/aac.js'), 'utf8');
  // The file is CommonJS but for one `import.meta.url`, so that neither loader of Node's takes it. It
  // would be the address that the WebAssembly is fetched from, which is inside the file anyway.
  const exported: { default?: () => Promise<unknown> } = {};
  const wrapper: (exports: object, require: NodeJS.Require) => void = compileFunction(
    source.replaceAll('import.meta.url', '""'),
    ['exports', 'require'],
  ) as (exports: object, require: NodeJS.Require) => void;
  wrapper(exported, createRequire(entry));
  return Loaded.parse(await exported.default?.());
}

export interface AacUnit {
  /** Of the first decoded sample: one access unit before what was put in, for the encoder's priming. */
  readonly position: number;
  /** A copy. */
  readonly data: Uint8Array;
}

export class AacEncoder {
  readonly #module: AacModule;
  readonly #bytesPerBlock: number;
  #context: number;

  /** AAC-LC, 48 kHz; `bitrate` in bit/s. Throws if the encoder cannot be opened. */
  constructor(module: AacModule, channels: ChannelCount, bitrate: number) {
    this.#module = module;
    this.#context = module._init_encoder(channels, 48_000, bitrate);
    if (this.#context === 0) throw new Error('the AAC encoder cannot be opened');
    this.#bytesPerBlock = module._get_encoder_frame_size(this.#context) * channels * 4;
  }

  /** Encodes one block of 1024 interleaved samples. Throws if the encoder refuses it. */
  encode(samples: Float32Array, position: number, onUnit: (unit: AacUnit) => void): void {
    const module = this.#module;
    const input = module._get_encode_input_ptr(this.#context, this.#bytesPerBlock);
    if (input === 0 || this.#context === 0) throw new Error('the AAC encoder is out of memory');
    // The heap may have been moved by growing: look at it again each time.
    new Float32Array(module.HEAPU8.buffer, input, this.#bytesPerBlock / 4).set(samples);
    const result = module._send_frame(this.#context, BigInt(position));
    if (result < 0) throw new Error(`the AAC encoder failed with ${result}`);
    for (;;) {
      const size = module._receive_packet(this.#context);
      if (size <= 0) break;
      const at = module._get_encoded_data(this.#context);
      onUnit({
        position: Number(module._get_encoded_pts(this.#context)),
        data: module.HEAPU8.slice(at, at + size),
      });
    }
  }

  close(): void {
    if (this.#context !== 0) this.#module._close_encoder(this.#context);
    this.#context = 0;
  }
}
