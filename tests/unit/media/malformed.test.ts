// Malformed data from outside: every parser refuses it with MalformedError, and soon.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aacConfig, parseAudioSpecificConfig } from '#shared/media/aac.ts';
import { decodeAmf0, encodeAmf0 } from '#shared/media/amf0.ts';
import { avcConfig, parseAvcRecord, parseSps, readAvcc, splitAnnexB, writeAvcc } from '#shared/media/avc.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import {
  audioConfigBody,
  FlvDemuxer,
  flvHeader,
  flvTag,
  parseAudioBody,
  parseVideoBody,
  videoConfigBody,
} from '#shared/media/flv.ts';
import { fragment, initSegment, readBoxes, readFragments, readInit, readMoof } from '#shared/media/fmp4.ts';
import { opusConfig, opusHead, opusPacketInfo, parseDops, parseOpusHead } from '#shared/media/opus.ts';

const [SPS, PPS] = splitAnnexB(
  Buffer.from('000000016742c0208c8d402802dd37010d01078442350000000168ce3c80', 'hex'),
);
const AVC = avcConfig(SPS!, PPS!);
const AAC = aacConfig(48_000, 2);
const OPUS = opusConfig(2);
const FRAGMENT = fragment({
  sequence: 1,
  baseDecodeTime: 9,
  samples: [1, 2, 3].map((n) => ({
    data: new Uint8Array(n),
    durationTicks: n,
    key: n === 1,
    ctsTicks: n - 2,
  })),
});
const MOOF = FRAGMENT.subarray(0, readBoxes(FRAGMENT)[0]!.end);
const FLV = Buffer.concat([
  flvHeader({ audio: true, video: true }),
  flvTag('video', 0, videoConfigBody(AVC)),
  flvTag('audio', 5, audioConfigBody(AAC)),
]);

/** What each parser reads, in its sound form. */
const PARSERS: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ['parseSps', SPS!, parseSps],
  ['parseAvcRecord', AVC.record, parseAvcRecord],
  ['readAvcc', writeAvcc([SPS!, PPS!]), readAvcc],
  ['splitAnnexB', Uint8Array.of(0, 0, 1, 9, 0, 0, 0, 1, 65), splitAnnexB],
  ['parseAudioSpecificConfig', AAC.description, parseAudioSpecificConfig],
  ['opusPacketInfo', Uint8Array.of(0xfb, 2, 0, 0), opusPacketInfo],
  ['parseDops', OPUS.description, parseDops],
  ['parseOpusHead', opusHead(OPUS), parseOpusHead],
  ['decodeAmf0', encodeAmf0('connect', 1, { app: 'live', list: [1, null, { a: new Date(0) }] }), decodeAmf0],
  ['parseVideoBody', videoConfigBody(AVC), parseVideoBody],
  ['parseAudioBody (AAC)', audioConfigBody(AAC), parseAudioBody],
  ['parseAudioBody (Opus)', audioConfigBody(OPUS), parseAudioBody],
  ['FlvDemuxer', FLV, (bytes) => new FlvDemuxer().readBytes(bytes)],
  ['readBoxes', FRAGMENT, readBoxes],
  ['readInit (H.264)', initSegment(AVC), readInit],
  ['readInit (AAC)', initSegment(AAC), readInit],
  ['readInit (Opus)', initSegment(OPUS), readInit],
  ['readMoof', MOOF, (bytes) => readMoof(bytes, 0, FRAGMENT.length - MOOF.length)],
];

/** A small repeatable generator, so that a failure can be seen again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function* spoiled(sound: Uint8Array, seed: number): Generator<Uint8Array> {
  for (let length = 0; length < sound.length; length += 1) yield sound.slice(0, length);
  for (let at = 0; at < sound.length; at += 1) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const copy = Uint8Array.from(sound);
      copy[at] = value;
      yield copy;
    }
  }
  const next = random(seed);
  for (let round = 0; round < 2_000; round += 1) {
    const copy = Uint8Array.from(sound);
    for (let i = 0; i < 1 + next() * 8; i += 1)
      copy[Math.floor(next() * copy.length)] = Math.floor(next() * 256);
    yield copy;
  }
  for (let round = 0; round < 500; round += 1) {
    yield Uint8Array.from({ length: Math.floor(next() * 200) }, () => Math.floor(next() * 256));
  }
}

for (const [name, sound, parse] of PARSERS) {
  test(`${name} takes what is sound and refuses what is spoiled`, { timeout: 60_000 }, () => {
    parse(sound);
    for (const bytes of spoiled(sound, 7)) {
      try {
        parse(bytes);
      } catch (error) {
        if (!(error instanceof MalformedError)) {
          assert.fail(`${String(error)} at ${Buffer.from(bytes).toString('hex')}`);
        }
      }
    }
  });
}

test('readFragments never throws, and never claims more than is there', { timeout: 60_000 }, () => {
  for (const bytes of spoiled(Buffer.concat([FRAGMENT, FRAGMENT]), 11)) {
    const { fragments, completeBytes } = readFragments(bytes);
    assert.ok(completeBytes <= bytes.length);
    for (const { samples, end } of fragments) {
      assert.ok(end <= completeBytes);
      for (const { offset, sizeBytes } of samples) assert.ok(offset >= 0 && offset + sizeBytes <= end);
    }
  }
});
