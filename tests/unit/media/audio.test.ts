// AAC and Opus: configurations and packet headers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  aacConfig,
  buildAudioSpecificConfig,
  parseAudioSpecificConfig,
  withRateIndex,
} from '#shared/media/aac.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import { opusConfig, opusHead, opusPacketInfo, parseDops, parseOpusHead } from '#shared/media/opus.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

test('AAC-LC stereo at 48 kHz is 1190, at 44.1 kHz 1210, as every encoder writes them', () => {
  assert.deepEqual(buildAudioSpecificConfig(48_000, 2), hex('1190'));
  assert.deepEqual(buildAudioSpecificConfig(44_100, 2), hex('1210'));
  assert.deepEqual(buildAudioSpecificConfig(48_000, 1), hex('1188'));
  assert.equal(aacConfig(48_000, 2).codecString, 'mp4a.40.2');
});

test('an AudioSpecificConfig survives the round trip, also at a rate that is in no table', () => {
  for (const [sampleRate, channels] of [
    [48_000, 2],
    [44_100, 1],
    [7_350, 6],
    [37_800, 2],
    [96_000, 8],
  ] as const) {
    assert.deepEqual(parseAudioSpecificConfig(buildAudioSpecificConfig(sampleRate, channels)), {
      objectType: 2,
      sampleRate,
      channels,
      coreRate: sampleRate,
      frameSamples: 1_024,
    });
  }
});

test('HE-AAC tells the rate that comes out and the type that is coded', () => {
  // Object type 5, 24 kHz, stereo, extension 48 kHz, object type 2.
  assert.deepEqual(parseAudioSpecificConfig(hex('2b118800')), {
    objectType: 2,
    sampleRate: 48_000,
    channels: 2,
    coreRate: 24_000,
    frameSamples: 1_024,
  });
});

test('channels are read of a program, lengths of a flag, and what is cut short is malformed', () => {
  // Object type 2, 48 kHz, channelConfiguration 0, and what ffmpeg writes for 3 channels.
  const program = hex('118004c4010020000d4c61766335392e33372e313030');
  assert.equal(parseAudioSpecificConfig(program).channels, 3);
  for (let bytes = 0; bytes < 6; bytes += 1) {
    assert.throws(() => parseAudioSpecificConfig(program.subarray(0, bytes)), MalformedError);
  }
  // The same rate written out (index 15), stereo, with frames of 960.
  const short = parseAudioSpecificConfig(hex('17805dc014'));
  assert.deepEqual([short.sampleRate, short.channels, short.frameSamples], [48_000, 2, 960]);
  assert.deepEqual(withRateIndex(hex('17805dc014')), hex('1194'));
  assert.deepEqual(withRateIndex(hex('1190')), hex('1190'));
  // ELD, 24 kHz, mono, 512 samples.
  assert.equal(parseAudioSpecificConfig(hex('f8ec2000')).frameSamples, 512);
});

test("an Opus packet's first byte tells its length and channels", () => {
  // RFC 6716 §3.1: config, stereo, count of frames.
  const info = (config: number, stereo: number, code: number, second = 0) =>
    opusPacketInfo(Uint8Array.of((config << 3) | (stereo << 2) | code, second));
  assert.deepEqual(info(31, 1, 0), { durationUs: 20_000, channels: 2, frames: 1 });
  assert.deepEqual(info(16, 0, 0), { durationUs: 2_500, channels: 1, frames: 1 });
  assert.deepEqual(info(3, 0, 1), { durationUs: 120_000, channels: 1, frames: 2 });
  assert.deepEqual(info(13, 1, 2), { durationUs: 40_000, channels: 2, frames: 2 });
  assert.deepEqual(info(29, 0, 3, 6), { durationUs: 30_000, channels: 1, frames: 6 });
  assert.throws(() => info(3, 0, 3, 3), MalformedError, '180 ms is too long');
  assert.throws(() => info(31, 0, 3, 0), MalformedError, 'no frames');
  assert.throws(() => opusPacketInfo(new Uint8Array(0)), MalformedError);
});

test('the same Opus configuration is written for MP4 and for FLV', () => {
  const config = opusConfig(2, 312);
  assert.deepEqual(config.description, hex('0002' + '0138' + '0000bb80' + '000000'));
  assert.deepEqual(parseDops(config.description), { channels: 2, preSkip: 312 });
  assert.deepEqual(opusHead(config), hex('4f70757348656164' + '0102' + '3801' + '80bb0000' + '000000'));
  assert.deepEqual(parseOpusHead(opusHead(config)), config);
});
