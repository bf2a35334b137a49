// The worker thread that decodes, mixes and encodes the sound of every broadcast.
import { parentPort } from 'node:worker_threads';
import { OpusDecoder } from 'opus-decoder';
import { AacEncoder, loadAacModule } from './aac-encoder.ts';
import type { Answer, Batch, MixerEntry, PacketEntry, UnitEntry } from './messages.ts';
import { BLOCK_SAMPLES, TimelineMixer } from './mixer.ts';

const BITRATE = 128_000;
/** The largest packet that the decoder has room for, in bytes. */
const MAX_OPUS_BYTES = 4_000;

/** One broadcast's sound. */
interface Voice {
  readonly mixer: TimelineMixer;
  readonly encoder: AacEncoder;
  readonly decoders: Map<string, OpusDecoder>;
}

const port = parentPort;
if (port === null) throw new Error('this runs as a worker thread');
// The decoder prints every packet that it cannot decode; here they are counted.
console.error = () => undefined;
const aac = await loadAacModule();
const voices = new Map<number, Voice>();
const block = new Float32Array(BLOCK_SAMPLES * 2);
/** Decoders that are ready: making one takes a moment that a first packet must not wait for. */
const spare: OpusDecoder[] = [];
let damaged = 0;

async function makeDecoder(): Promise<OpusDecoder> {
  const decoder = new OpusDecoder({ channels: 2 });
  await decoder.ready;
  return decoder;
}

function voiceOf(id: number): Voice {
  const known = voices.get(id);
  if (known !== undefined) return known;
  const voice = { mixer: new TimelineMixer(), encoder: new AacEncoder(aac, BITRATE), decoders: new Map() };
  voices.set(id, voice);
  return voice;
}

function closeVoice(id: number): void {
  const voice = voices.get(id);
  voices.delete(id);
  voice?.encoder.close();
  for (const decoder of voice?.decoders.values() ?? []) decoder.free();
}

async function decoderOf(voice: Voice, source: string): Promise<OpusDecoder> {
  const known = voice.decoders.get(source);
  if (known !== undefined) return known;
  const decoder = spare.pop() ?? (await makeDecoder());
  voice.decoders.set(source, decoder);
  void makeDecoder().then((made) => spare.push(made));
  return decoder;
}

async function decode(voice: Voice, entry: PacketEntry, bytes: Uint8Array): Promise<void> {
  const packet = bytes.subarray(entry.offset, entry.offset + entry.length);
  if (packet.length === 0 || packet.length > MAX_OPUS_BYTES) {
    damaged += 1;
    return;
  }
  const decoder = await decoderOf(voice, entry.source);
  const { channelData, samplesDecoded } = decoder.decodeFrame(packet);
  const [left, right] = channelData;
  if (samplesDecoded === 0 || left === undefined) damaged += 1;
  else voice.mixer.add(entry.source, entry.position, left, right ?? left, samplesDecoded);
}

async function run(
  entry: MixerEntry,
  bytes: Uint8Array,
  onUnit: (unit: UnitEntry, data: Uint8Array) => void,
) {
  const voice = voiceOf(entry.mixer);
  for (const packet of entry.packets) await decode(voice, packet, bytes);
  for (const source of entry.removed) {
    voice.mixer.remove(source);
    voice.decoders.get(source)?.free();
    voice.decoders.delete(source);
  }
  for (;;) {
    const position = voice.mixer.take(entry.now, block);
    if (position === undefined) break;
    voice.encoder.encode(block, position, (unit) =>
      onUnit({ mixer: entry.mixer, position: unit.position, offset: 0, length: unit.data.length }, unit.data),
    );
  }
}

async function answer(batch: Batch): Promise<Answer> {
  damaged = 0;
  const units: UnitEntry[] = [];
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const entry of batch.mixers) {
    await run(entry, batch.bytes, (unit, data) => {
      units.push({ ...unit, offset: size });
      parts.push(data);
      size += data.length;
    });
  }
  for (const mixer of batch.closed) closeVoice(mixer);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { sentAtMs: batch.sentAtMs, units, bytes, damaged };
}

spare.push(await makeDecoder(), await makeDecoder());
// Batches are worked on one after another, in their order.
let before: Promise<void> = Promise.resolve();
port.on('message', (batch: Batch) => {
  before = before.then(async () => {
    const result = await answer(batch);
    port.postMessage(result, [result.bytes.buffer]);
  });
});
