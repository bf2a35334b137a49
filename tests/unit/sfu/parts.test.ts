// The small parts of the interactive plane.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TokenBucket } from '#shared/token-bucket.ts';
import { listenInfos } from '../../../sfu/media/listen.ts';
import * as shapes from '../../../sfu/media/shapes.ts';

describe('the token bucket', () => {
  test('lets a burst through, then a steady rate', () => {
    const bucket = new TokenBucket({ size: 3, perSecond: 2 }, 0);
    assert.deepEqual(
      [0, 0, 0, 0].map((at) => bucket.take(at)),
      [true, true, true, false],
    );
    assert.deepEqual(
      [499, 500, 501].map((at) => bucket.take(at)),
      [false, true, false],
    );
    assert.deepEqual(
      [60_000, 60_000, 60_000, 60_000].map((at) => bucket.take(at)),
      [true, true, true, false],
    );
  });

  test('is not fooled by a clock that goes back', () => {
    const bucket = new TokenBucket({ size: 1, perSecond: 1 }, 10_000);
    assert.equal(bucket.take(10_000), true);
    assert.equal(bucket.take(5_000), false);
    assert.equal(bucket.take(5_500), false);
    assert.equal(bucket.take(6_000), true);
  });
});

describe('where browsers connect', () => {
  test('every address of the machine and loopback, UDP before TCP, on the port', () => {
    const infos = listenInfos(44_400, undefined);
    assert.ok(infos.some(({ ip, protocol }) => ip === '127.0.0.1' && protocol === 'tcp'));
    assert.ok(infos.every(({ port }) => port === 44_400));
    const protocols = infos.map(({ protocol }) => protocol);
    assert.deepEqual(protocols, [...protocols].sort().reverse());
    assert.equal(new Set(infos.map((info) => JSON.stringify(info))).size, infos.length);
  });

  test('behind a NAT its outer address is announced', () => {
    const places = listenInfos(1, '203.0.113.7').map(
      ({ ip, announcedAddress }) => `${ip} ${announcedAddress}`,
    );
    assert.deepEqual(places, ['0.0.0.0 203.0.113.7', '0.0.0.0 203.0.113.7']);
  });
});

describe('what browsers send to mediasoup', () => {
  const codec = { mimeType: 'video/H264', payloadType: 102, clockRate: 90_000 };

  test('keeps what mediasoup needs and drops the rest', () => {
    const given = {
      codecs: [{ ...codec, parameters: { 'packetization-mode': 1, odd: null }, sdpFmtpLine: 'x' }],
      encodings: [
        { rid: 'q', maxBitrate: 150_000.4, active: true, scaleResolutionDownBy: 4, scalabilityMode: 'L1T3' },
      ],
      extra: { deep: {} },
    };
    assert.deepEqual(shapes.rtpParameters(given), {
      codecs: [{ ...codec, parameters: { 'packetization-mode': 1 } }],
      encodings: [{ rid: 'q', maxBitrate: 150_000, scalabilityMode: 'L1T3' }],
    });
  });

  test('refuses what would break the channel to the worker', () => {
    for (const encoding of [
      { ssrc: 'x' },
      { ssrc: 2 ** 32 },
      { maxBitrate: -1 },
      { rid: '' },
      { dtx: 'yes' },
    ]) {
      assert.throws(() => shapes.rtpParameters({ codecs: [codec], encodings: [encoding] }), {
        code: 'bad-request',
      });
    }
    for (const parameters of [{ a: {} }, { a: [1.5] }, { a: ['x'] }]) {
      const one = { ...codec, parameters };
      assert.throws(() => shapes.rtpParameters({ codecs: [one], encodings: [{}] }), { code: 'bad-request' });
    }
    assert.throws(() => shapes.dtlsParameters({ fingerprints: [] }), { code: 'bad-request' });
    assert.throws(() => shapes.rtpCapabilities({ codecs: 'all' }), { code: 'bad-request' });
  });
});
