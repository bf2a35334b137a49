// HLS playlists, line by line as RFC 8216bis wants them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  mediaPlaylist,
  multivariantPlaylist,
  targetDurationS,
  type MediaPlaylist,
} from '#shared/media/m3u8.ts';

const LIVE: MediaPlaylist = {
  targetDurationS: 3,
  mediaSequence: 41,
  discontinuitySequence: 2,
  ended: false,
  segments: [
    { uri: '41.m4s', durationUs: 2_000_000, mapUri: 'init-1.mp4', programDateTimeMs: 1_700_000_000_000 },
    { uri: '42.m4s', durationUs: 1_966_667, mapUri: 'init-1.mp4', programDateTimeMs: 1_700_000_002_000 },
    {
      uri: '43.m4s',
      durationUs: 2_033_300,
      mapUri: 'init-2.mp4',
      programDateTimeMs: 1_700_000_010_500,
      discontinuity: true,
    },
  ],
};

test('a sliding window over a change of resolution', () => {
  assert.equal(
    mediaPlaylist(LIVE),
    `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:3
#EXT-X-MEDIA-SEQUENCE:41
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXTINF:2.000,
41.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.000Z
#EXTINF:1.966667,
42.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-2.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:30.500Z
#EXTINF:2.0333,
43.m4s
`,
  );
});

test('a signed viewer takes the signature along to every address', () => {
  const text = mediaPlaylist(LIVE, { query: 'expires=1&sign=abc' });
  assert.equal(text.match(/\?expires=1&sign=abc/g)?.length, 5);
  assert.ok(text.includes('#EXT-X-MAP:URI="init-1.mp4?expires=1&sign=abc"'));
  const twice = mediaPlaylist({ ...LIVE, segments: [{ uri: 'a?b=1', durationUs: 1 }] }, { query: 'c=2' });
  assert.ok(twice.includes('\na?b=1&c=2\n'));
});

test('a finished class says so, and a running one says where to start', () => {
  const text = mediaPlaylist({
    ...LIVE,
    type: 'VOD',
    independentSegments: true,
    start: { offsetS: -6, precise: true },
    serverControl: { holdBackS: 6 },
    ended: true,
  });
  assert.ok(text.includes('#EXT-X-PLAYLIST-TYPE:VOD\n'));
  assert.ok(text.includes('#EXT-X-INDEPENDENT-SEGMENTS\n'));
  assert.ok(text.includes('#EXT-X-START:TIME-OFFSET=-6.000,PRECISE=YES\n'));
  assert.ok(text.includes('#EXT-X-SERVER-CONTROL:HOLD-BACK=6.000\n'));
  assert.ok(text.endsWith('#EXT-X-ENDLIST\n'));
});

test('the ladder names each quality and the sound they share', () => {
  assert.equal(
    multivariantPlaylist(
      {
        independentSegments: true,
        audio: [{ groupId: 'sound', name: 'Sound', isDefault: true, channels: 2, uri: 'audio.m3u8' }],
        variants: [
          {
            uri: 'v1.m3u8',
            bandwidth: 1_500_000.4,
            averageBandwidth: 1_200_000,
            codecs: ['avc1.42e01f', 'mp4a.40.2'],
            resolution: { width: 1280, height: 720 },
            frameRate: 29.97,
            audio: 'sound',
          },
          { uri: 'sound.m3u8', bandwidth: 128_000, codecs: ['mp4a.40.2'] },
        ],
      },
      { query: 'sign=x' },
    ),
    `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio.m3u8?sign=x"
#EXT-X-STREAM-INF:BANDWIDTH=1500000,AVERAGE-BANDWIDTH=1200000,CODECS="avc1.42e01f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="sound"
v1.m3u8?sign=x
#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS="mp4a.40.2"
sound.m3u8?sign=x
`,
  );
});

test('nothing can be smuggled into a playlist', () => {
  const segment = { uri: 'a\n#EXT-X-ENDLIST', durationUs: 1 };
  assert.throws(() => mediaPlaylist({ ...LIVE, segments: [segment] }), RangeError);
  assert.throws(() => mediaPlaylist(LIVE, { query: 'a=b\nc' }), RangeError);
  assert.throws(
    () => mediaPlaylist({ ...LIVE, segments: [{ uri: 'a', mapUri: 'b"', durationUs: 1 }] }),
    RangeError,
  );
});

test('a segment stands under a target duration that is its length, rounded', () => {
  assert.deepEqual([2_499_999, 2_500_000, 100_000].map(targetDurationS), [2, 3, 1]);
});
