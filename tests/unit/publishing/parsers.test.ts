// The parsers that a publisher's bytes meet: tags, Ogg from ffmpeg, and what an SPS and a slice tell.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { avcConfig, nalType, parseSliceHead, parseSpsUsability, splitAnnexB } from '#shared/media/avc.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import { sentenceOf } from '#shared/contract/publisher-notice.ts';
import { hasBSlice, inspectConfig, RateMeter } from '../../../gateway/ingest/publication/inspect.ts';
import { OggOpusReader } from '../../../gateway/ffmpeg/containers/ogg.ts';
import { RtmpConnection } from '../../../gateway/servers/rtmp/protocol.ts';
import { readAudioTag, readVideoTag } from '../../../gateway/servers/rtmp/tags.ts';

const ffmpeg = (args: string) =>
  execFileSync('ffmpeg', ['-v', 'error', ...args.split(' '), 'pipe:1'], { maxBuffer: 64 * 1024 * 1024 });
const nalsOf = (size: string, args: string) =>
  splitAnnexB(ffmpeg(`-f lavfi -i testsrc2=size=${size}:rate=30 -t 1 -c:v libx264 ${args} -f h264`));
const configOf = (nals: readonly Uint8Array[]) => {
  const [sps, pps] = [7, 8].map((type) => nals.find((nal) => nalType(nal) === type));
  assert.ok(sps && pps);
  return avcConfig(sps, pps);
};

describe('what has to be converted', () => {
  const cases: [string, string, string, string[]][] = [
    ['as OBS is to be set', '320x180', '-preset ultrafast -bf 0', []],
    ['x264 by itself', '320x180', '-preset veryfast', ['b-frames']],
    ['4:4:4', '320x180', '-preset ultrafast -bf 0 -pix_fmt yuv444p', ['colours']],
    ['10 bit', '320x180', '-preset ultrafast -bf 0 -pix_fmt yuv420p10le', ['colours']],
    ['interlaced', '320x192', '-preset ultrafast -bf 0 -flags +ildct+ilme', ['interlaced']],
    ['above full HD', '2048x1152', '-preset ultrafast -bf 0', ['size']],
    ['full HD', '1920x1080', '-preset ultrafast -bf 0', []],
    ['full HD, upright', '1080x1920', '-preset ultrafast -bf 0', []],
    [
      'with HRD and timing',
      '320x180',
      '-preset ultrafast -bf 0 -x264-params nal-hrd=cbr:vbv-maxrate=500:vbv-bufsize=500',
      [],
    ],
    [
      'with colours described',
      '320x180',
      '-preset ultrafast -bf 0 -color_primaries bt709 -colorspace bt709 -color_trc bt709',
      [],
    ],
  ];
  for (const [name, size, args, reasons] of cases) {
    it(`${name}: ${reasons.join() || 'nothing'}`, () => {
      const withPixels = args.includes('pix_fmt') ? args : `${args} -pix_fmt yuv420p`;
      const nals = nalsOf(size, withPixels);
      assert.deepEqual([...inspectConfig(configOf(nals))].sort(), reasons);
      assert.equal(hasBSlice(nals), reasons.includes('b-frames'));
    });
  }

  it('an SPS says how far pictures are out of order, and slices which they are', () => {
    const nals = nalsOf('320x180', '-preset veryfast -bf 3 -pix_fmt yuv420p');
    assert.ok((parseSpsUsability(configOf(nals).sps).reorderFrames ?? 0) > 0);
    const types = new Set(
      nals.filter((nal) => [1, 5].includes(nalType(nal))).map((nal) => parseSliceHead(nal).type),
    );
    assert.deepEqual([...types].sort(), ['B', 'I', 'P']);
  });

  it('says in words what to change', () => {
    assert.match(
      sentenceOf({ code: 'converted', reasons: ['b-frames', 'keyframes'] }),
      /bframes\) to 0; set the keyframe interval to 2 s\.$/,
    );
  });

  it('measures the rate from the pictures’ own times', () => {
    const meter = new RateMeter();
    for (let index = 0; index < 62; index += 1) meter.add((index * 1_000_000) / 60);
    assert.equal(Math.round(meter.perSecond ?? 0), 60);
    const still = new RateMeter();
    for (let index = 0; index < 600; index += 1) still.add(0);
    assert.equal(still.perSecond, Infinity);
  });
});

describe('tags', () => {
  const bytes = (...parts: (string | number[])[]) =>
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
    );

  it('of enhanced RTMP are read, with extensions before them', () => {
    assert.deepEqual(readVideoTag(bytes([0x91], 'hvc1', [0, 0, 5, 9, 9])), {
      type: 'frame',
      codec: 'other',
      key: true,
      compositionMs: 5,
      data: Buffer.from([9, 9]),
    });
    assert.deepEqual(readVideoTag(bytes([0xa3], 'hvc1', [9])), {
      type: 'frame',
      codec: 'other',
      key: false,
      compositionMs: 0,
      data: Buffer.from([9]),
    });
    const extended = readVideoTag(bytes([0x97, 2, 1, 2, 3, 0x03], 'hvc1', [9]));
    assert.equal(extended.type, 'frame');
    assert.equal(readVideoTag(bytes([0x92], 'hvc1')).type, 'nothing');
    assert.equal(readVideoTag(bytes([0x94], 'hvc1', [1])).type, 'nothing');
    assert.deepEqual(readVideoTag(bytes([0x90], 'vvc1')), { type: 'unknown', codec: 'vvc1' });
    assert.equal(readVideoTag(bytes([0x90], 'vp08')).type, 'config');
    const hevc = readVideoTag(bytes([0x90], 'hvc1', [1, 2, 3]));
    assert.ok(
      hevc.type === 'config' && !('codec' in hevc.config) && hevc.config.codecId === 'V_MPEGH/ISO/HEVC',
    );
  });

  it('of HEVC as some send it under a number of their own', () => {
    assert.equal(readVideoTag(Buffer.from([0x1c, 0, 0, 0, 0, 1, 2])).type, 'config');
    assert.equal(readVideoTag(Buffer.from([0x2c, 1, 0xff, 0xff, 0xfe, 1, 2])).type, 'frame');
    assert.ok(
      (readVideoTag(Buffer.from([0x2c, 1, 0xff, 0xff, 0xfe, 1])) as { compositionMs: number })
        .compositionMs === -2,
    );
  });

  it('of sound: AAC in both forms, Opus; what else there is has a name', () => {
    assert.equal(readAudioTag(Buffer.from([0xaf, 0, 0x12, 0x10])).type, 'config');
    assert.equal(readAudioTag(bytes([0x90], 'mp4a', [0x12, 0x10])).type, 'config');
    assert.deepEqual(readAudioTag(bytes([0x91], 'mp4a', [7])), {
      type: 'frame',
      codec: 'aac',
      data: Buffer.from([7]),
    });
    assert.deepEqual(readAudioTag(bytes([0x91], 'Opus', [7])), {
      type: 'frame',
      codec: 'opus',
      data: Buffer.from([7]),
    });
    assert.deepEqual(readAudioTag(Buffer.from([0x2f, 1])), { type: 'unknown', codec: 'MP3' });
    assert.deepEqual(readAudioTag(bytes([0x90], 'ac-3')), { type: 'unknown', codec: 'AC-3' });
    assert.deepEqual(readAudioTag(bytes([0x90], 'fLaC')), { type: 'unknown', codec: 'FLAC' });
    // The order of channels is nothing to be told of.
    assert.equal(readAudioTag(bytes([0x94], 'mp4a', [1, 2, 3])).type, 'nothing');
  });

  it('of several tracks: the first is read, the others are left out, whatever they are', () => {
    const sized = (id: number, data: number[]) => [id, 0, 0, data.length, ...data];
    const frame = (data: number[]) => ({
      type: 'frame',
      codec: 'h264',
      key: true,
      compositionMs: 0,
      data: Buffer.from(data),
    });
    // One track in a tag, several of one codec, several of several codecs.
    assert.deepEqual(readVideoTag(bytes([0x96, 0x03], 'avc1', [0, 7, 8])), frame([7, 8]));
    assert.equal(readVideoTag(bytes([0x96, 0x03], 'avc1', [1, 7, 8])).type, 'nothing');
    assert.equal(readVideoTag(bytes([0x96, 0x03], 'vvc1', [1, 7, 8])).type, 'nothing');
    const many = bytes([0x96, 0x13], 'avc1', [...sized(1, [5]), ...sized(0, [7, 8])]);
    assert.deepEqual(readVideoTag(many), frame([7, 8]));
    const ofCodecs = Buffer.concat([
      bytes([0x96, 0x23], 'hvc1', sized(1, [5, 5])),
      Buffer.from('avc1'),
      Buffer.from(sized(0, [7, 8])),
    ]);
    assert.deepEqual(readVideoTag(ofCodecs), frame([7, 8]));
    assert.deepEqual(readAudioTag(bytes([0x95, 0x01], 'mp4a', [0, 7])), {
      type: 'frame',
      codec: 'aac',
      data: Buffer.from([7]),
    });
    assert.equal(readAudioTag(bytes([0x95, 0x01], 'ac-3', [1, 7])).type, 'nothing');
    assert.equal(readAudioTag(bytes([0x95, 0x00], 'mp4a', [0, 0x12, 0x10])).type, 'config');
  });

  it('with extensions before them, also one within another', () => {
    const nano = [0x97, 2, 1, 2, 3];
    assert.equal(readVideoTag(bytes([...nano, 0x03], 'avc1', [9])).type, 'frame');
    assert.equal(readVideoTag(bytes([...nano, 0x07, 2, 1, 2, 3, 0x06, 0x03], 'avc1', [0, 9])).type, 'frame');
    assert.equal(readAudioTag(bytes([...nano, 0x01], 'mp4a', [9])).type, 'frame');
    assert.equal(readAudioTag(bytes([...nano, 0x05, 0x01], 'mp4a', [0, 9])).type, 'frame');
    const long = bytes([0x97, 255, 1, 0], Buffer.alloc(257).toString('latin1'), [0x03]);
    assert.equal(readVideoTag(Buffer.concat([long, Buffer.from('avc1'), Buffer.from([9])])).type, 'frame');
  });

  it('that are cut anywhere are malformed at worst', () => {
    const whole = [
      bytes([0x97, 2, 1, 2, 3, 0x01], 'hvc1', [0, 0, 5, 9, 9]),
      bytes([0x90], 'avc1', [1, 66, 192, 13, 0xff, 0xe1, 0, 9, 1]),
      Buffer.from([0x17, 0, 0, 0, 0, 1, 66, 192, 13, 0xff, 0xe1]),
      bytes([0x90], 'mp4a', [0x12]),
      Buffer.from([0xaf, 0, 0x12]),
    ];
    for (const tag of whole) {
      for (let length = 0; length <= tag.length; length += 1) {
        for (const read of [readVideoTag, readAudioTag]) {
          try {
            read(tag.subarray(0, length));
          } catch (error) {
            assert.ok(error instanceof MalformedError, String(error));
          }
        }
      }
    }
  });
});

describe('Ogg', () => {
  const file = ffmpeg('-f lavfi -i sine=440:sample_rate=48000 -t 2 -c:a libopus -frame_duration 20 -f ogg');

  it('gives the same packets, however it is cut', () => {
    const whole = new OggOpusReader();
    const packets = whole.readBytes(file);
    assert.equal(packets.length, 101);
    assert.equal(whole.preSkip, 312);
    for (const size of [1, 7, 255, 4_096]) {
      const reader = new OggOpusReader();
      const cut: Buffer[] = [];
      for (let at = 0; at < file.length; at += size)
        cut.push(...reader.readBytes(Buffer.from(file.subarray(at, at + size))));
      assert.deepEqual(cut, packets);
    }
  });

  it('that is none is malformed', () => {
    assert.throws(() => new OggOpusReader().readBytes(Buffer.alloc(100)), MalformedError);
  });
});

describe('RTMP before the verdict', () => {
  it('takes no memory for what is announced and does not come', () => {
    const connection = new RtmpConnection({
      output: () => undefined,
      ask: () => undefined,
      media: () => undefined,
      request: () => undefined,
      left: () => undefined,
    });
    const chunk = (stream: number, type: number, length: number, ...body: number[]) =>
      Buffer.from([stream, 0, 0, 0, 0, length >> 8, length & 0xff, type, 0, 0, 0, 0, ...body]);
    connection.readBytes(Buffer.concat([Buffer.from([3]), Buffer.alloc(2 * 1_536)]));
    // Chunks of one byte, so that each message can be begun with so little.
    connection.readBytes(chunk(2, 1, 4, 0, 0, 0, 1));
    const begun = Buffer.concat(Array.from({ length: 30 }, (_, index) => chunk(3 + index, 20, 16_384, 2)));
    assert.throws(() => connection.readBytes(begun), MalformedError);
  });
});
