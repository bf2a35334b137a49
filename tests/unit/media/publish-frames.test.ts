// The records that an encoder in a browser sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedError } from '#shared/media/bytes.ts';
import {
  decodePublishFrame,
  encodePublishFrame,
  MAX_CONFIG_BYTES,
  MAX_VIDEO_FRAME_BYTES,
  MAX_RECORD_BYTES,
  MAX_AUDIO_FRAME_BYTES,
  type PublishFrame,
} from '#shared/media/publish-frames.ts';

const data = new Uint8Array([0, 0, 0, 2, 0x65, 0x88]);
const all: readonly PublishFrame[] = [
  { kind: 'video-config', codec: 'h264', data },
  { kind: 'audio-config', codec: 'opus', data },
  { kind: 'audio-config', codec: 'aac', data },
  { kind: 'video', ptsUs: 0, key: true, data },
  { kind: 'video', ptsUs: 33_333, key: false, data },
  { kind: 'audio', ptsUs: 2 ** 40 + 7, data },
  { kind: 'goodbye' },
];

test('what was written is read again', () => {
  for (const frame of all) assert.deepEqual(decodePublishFrame(encodePublishFrame(frame)), frame);
});

test('the bytes are as documented', () => {
  const bytes = encodePublishFrame({ kind: 'video', ptsUs: 0x0102030405, key: true, data });
  assert.deepEqual([...bytes], [1, 1, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, ...data]);
  assert.deepEqual([...encodePublishFrame({ kind: 'goodbye' })], [1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('times keep every µs of a day, and go no further than numbers do', () => {
  for (const ptsUs of [86_400_000_000, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const frame = decodePublishFrame(encodePublishFrame({ kind: 'audio', ptsUs, data }));
    assert.equal('ptsUs' in frame && frame.ptsUs, ptsUs);
  }
  const bytes = encodePublishFrame({ kind: 'audio', ptsUs: 0, data });
  bytes.fill(0xff, 4, 12);
  assert.throws(() => decodePublishFrame(bytes), MalformedError);
});

test('other versions, kinds, flags and codecs are refused', () => {
  const good = encodePublishFrame({ kind: 'audio', ptsUs: 5, data });
  for (const [at, value] of [
    [0, 2],
    [1, 0],
    [1, 6],
    [2, 1],
    [2, 2],
    [3, 1],
  ] as const) {
    const bad = good.slice();
    bad[at] = value;
    assert.throws(() => decodePublishFrame(bad), MalformedError, `byte ${at} is ${value}`);
  }
});

test('a record has a payload of a sensible size', () => {
  const sized = (frame: PublishFrame, bytes: number) =>
    decodePublishFrame(encodePublishFrame({ ...frame, data: new Uint8Array(bytes) } as PublishFrame));
  const picture: PublishFrame = { kind: 'video', ptsUs: 1, key: true, data };
  const sound: PublishFrame = { kind: 'audio', ptsUs: 1, data };
  const config: PublishFrame = { kind: 'video-config', codec: 'h264', data };
  for (const [frame, most] of [
    [picture, MAX_VIDEO_FRAME_BYTES],
    [sound, MAX_AUDIO_FRAME_BYTES],
    [config, MAX_CONFIG_BYTES],
  ] as const) {
    assert.equal(sized(frame, most).kind, frame.kind);
    assert.throws(() => sized(frame, most + 1), MalformedError);
    assert.throws(() => sized(frame, 0), MalformedError);
  }
  assert.equal(
    encodePublishFrame({ ...picture, data: new Uint8Array(MAX_VIDEO_FRAME_BYTES) }).length,
    MAX_RECORD_BYTES,
  );
  const goodbye = Uint8Array.from([...encodePublishFrame({ kind: 'goodbye' }), 0]);
  assert.throws(() => decodePublishFrame(goodbye), MalformedError);
});

test('every beginning of a record is refused or read, and nothing else is thrown', () => {
  for (const frame of all) {
    const bytes = encodePublishFrame(frame);
    for (let length = 0; length < Math.min(bytes.length, 12); length += 1) {
      assert.throws(() => decodePublishFrame(bytes.subarray(0, length)), MalformedError);
    }
  }
});
