// The worker thread that decodes, mixes and encodes the sound of every broadcast.
import { parentPort } from 'node:worker_threads';
import { OpusDecoder } from 'opus-decoder';
import { Serial } from '#shared/serial.ts';
import { AacEncoder, loadAacModule } from './aac-encoder.ts';
import { OpusMixEncoder } from './opus-mix-encoder.ts';
import type { Answer, Batch, MixerEntry, PacketEntry, UnitEntry } from './messages.ts';
import { BLOCK_SAMPLES, TimelineMixer, type ChannelCount } from './mixer.ts';

/** In bit/s, by the number of channels. */
const BITRATE = { 1: 96_000, 2: 128_000 } as const;
/** The largest packet that the decoder has room for, in bytes. */
const MAX_OPUS_BYTES = 4_000;

/** One broadcast's sound. */
interface Voice {
  readonly channels: ChannelCount;
  readonly block: Float32Array;
  readonly mixer: TimelineMixer;
  /** What the mix is made into now. */
  aac: AacEncoder | undefined;
  opus: OpusMixEncoder | undefined;
  readonly decoders: Map<string, OpusDecoder>;
}

const port = parentPort;
if (port === null) throw new Error('this runs as a worker thread');
// The decoder prints every packet that it cannot decode; here they are counted.
const print = console.error;
console.error = (...said: unknown[]) => {
  const [first] = said;
  if (typeof first !== 'string' || !first.startsWith('libopus ')) print(...said);
};
const aac = await loadAacModule();
const voices = new Map<number, Voice>();
/** Decoders that are ready: making one takes a moment that a first packet must not wait for. */
const spare: Record<ChannelCount, OpusDecoder[]> = { 1: [], 2: [] };
let damaged = 0;

/** Makes a decoder that gives so many channels, whatever a packet holds (RFC 6716 §3.1). */
async function makeDecoder(channels: ChannelCount): Promise<OpusDecoder> {
  const layout = { streamCount: 1, coupledStreamCount: channels - 1, preSkip: 0 };
  const decoder =
    channels === 1
      ? new OpusDecoder({ ...layout, channels, channelMappingTable: [0] })
      : new OpusDecoder({ ...layout, channels, channelMappingTable: [0, 1] });
  await decoder.ready;
  return decoder;
}

function voiceOf({ mixer: id, channels }: MixerEntry): Voice {
  const known = voices.get(id);
  if (known !== undefined) return known;
  const voice: Voice = {
    channels,
    block: new Float32Array(BLOCK_SAMPLES * channels),
    mixer: new TimelineMixer(channels),
    aac: undefined,
    opus: undefined,
    decoders: new Map(),
  };
  voices.set(id, voice);
  return voice;
}

function closeVoice(id: number): void {
  const voice = voices.get(id);
  voices.delete(id);
  voice?.aac?.close();
  voice?.opus?.close();
  for (const decoder of voice?.decoders.values() ?? []) decoder.free();
}

async function decoderOf(voice: Voice, source: string): Promise<OpusDecoder> {
  const known = voice.decoders.get(source);
  if (known !== undefined) return known;
  const { channels } = voice;
  const decoder = spare[channels].pop() ?? (await makeDecoder(channels));
  voice.decoders.set(source, decoder);
  void makeDecoder(channels).then((made) => spare[channels].push(made));
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

/** Opens the encoders that are wanted and closes those that are not. */
async function setEncoders(voice: Voice, { aac: wantsAac, opusFrom }: MixerEntry): Promise<void> {
  if (wantsAac) voice.aac ??= new AacEncoder(aac, voice.channels, BITRATE[voice.channels]);
  else {
    voice.aac?.close();
    voice.aac = undefined;
  }
  if (opusFrom !== undefined) voice.opus ??= await OpusMixEncoder.open(voice.channels, opusFrom);
  else {
    voice.opus?.close();
    voice.opus = undefined;
  }
}

async function run(
  entry: MixerEntry,
  bytes: Uint8Array,
  onUnit: (unit: UnitEntry, data: Uint8Array) => void,
) {
  const voice = voiceOf(entry);
  await setEncoders(voice, entry);
  const give = (codec: UnitEntry['codec'], position: number, data: Uint8Array) =>
    onUnit({ codec, mixer: entry.mixer, position, offset: 0, length: data.length }, data);
  const encodeDue = (now: number | undefined) => {
    for (;;) {
      const position = voice.mixer.take(now, voice.block);
      if (position === undefined) break;
      voice.aac?.encode(voice.block, position, (unit) => give('aac', unit.position, unit.data));
      voice.opus?.addSamples(voice.block, position, (data, at) => give('opus', at, data));
    }
  };
  for (const packet of entry.packets) {
    // After a stall seconds come at once: what was due when this packet came goes first.
    if (voice.mixer.isCrowded(packet.position)) encodeDue(packet.position);
    await decode(voice, packet, bytes);
  }
  for (const source of entry.removed) {
    voice.mixer.remove(source);
    voice.decoders.get(source)?.free();
    voice.decoders.delete(source);
  }
  encodeDue(entry.now);
}

async function answer(batch: Batch): Promise<Answer> {
  damaged = 0;
  const units: UnitEntry[] = [];
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const mixer of batch.closed) closeVoice(mixer);
  for (const entry of batch.mixers) {
    await run(entry, batch.bytes, (unit, data) => {
      units.push({ ...unit, offset: size });
      parts.push(data);
      size += data.length;
    });
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { batch: batch.batch, sentAtMs: batch.sentAtMs, units, bytes, damaged };
}

// A browser's microphone is mono; stereo comes from what a teacher plays.
spare[1].push(await makeDecoder(1), await makeDecoder(1));
spare[2].push(await makeDecoder(2));
// Batches are worked on one after another, in their order.
const turns = new Serial();
port.on('message', (batch: Batch) => {
  void turns.run(async () => {
    const result = await answer(batch);
    port.postMessage(result, [result.bytes.buffer]);
  });
});
