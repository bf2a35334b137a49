// HLS playlists, line by line as RFC 8216bis wants them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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

describe('a playlist of low latency', () => {
  const playlist = {
    targetDurationS: 2,
    partTargetS: 0.334,
    serverControl: { canBlockReload: true, canSkipUntilS: 12, holdBackS: 6, partHoldBackS: 1.002 },
    mediaSequence: 7,
    segments: [
      {
        uri: '7-a.m4s',
        durationUs: 600_000,
        mapUri: 'init-0.mp4',
        parts: [
          { uri: '7-a-0.m4s', durationUs: 320_000, independent: true },
          { uri: '7-a-1.m4s', durationUs: 280_000, independent: false },
        ],
      },
    ],
    growing: {
      mapUri: 'init-1.mp4',
      discontinuity: true,
      programDateTimeMs: 0,
      parts: [{ uri: '8-a-0.m4s', durationUs: 320_000, independent: true }],
    },
    hintUri: '8-a-1.m4s',
    reports: [{ uri: 'audio.m3u8', lastSegment: 8, lastPart: 0 }],
    ended: false,
  };

  test('names parts before their segment, and those of the one that grows at the end', () => {
    assert.equal(
      mediaPlaylist(playlist, { query: 'sign=x' }),
      `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000,HOLD-BACK=6.000,PART-HOLD-BACK=1.002
#EXT-X-PART-INF:PART-TARGET=0.334
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-MAP:URI="init-0.mp4?sign=x"
#EXT-X-PART:DURATION=0.320,URI="7-a-0.m4s?sign=x",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.280,URI="7-a-1.m4s?sign=x"
#EXTINF:0.600,
7-a.m4s?sign=x
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-1.mp4?sign=x"
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z
#EXT-X-PART:DURATION=0.320,URI="8-a-0.m4s?sign=x",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="8-a-1.m4s?sign=x"
#EXT-X-RENDITION-REPORT:URI="audio.m3u8?sign=x",LAST-MSN=8,LAST-PART=0
`,
    );
  });

  test('promises nothing more once it has ended', () => {
    const text = mediaPlaylist({ ...playlist, ended: true });
    assert.match(text, /#EXT-X-ENDLIST\n$/);
    assert.doesNotMatch(text, /HINT|REPORT/);
  });

  test('says in a delta update how many segments are left out, and the init segment again', () => {
    const text = mediaPlaylist({ ...playlist, skipped: 40, mediaSequence: 1 });
    assert.match(text, /#EXT-X-SKIP:SKIPPED-SEGMENTS=40\n#EXT-X-MAP:URI="init-0.mp4"/);
  });
});

test('a key stands behind every init segment, which is not encrypted, and is taken off before the next', () => {
  const segments = ['init-0.mp4', 'init-0.mp4', 'init-1.mp4'].map((mapUri, index) => ({
    uri: `${index}.m4s`,
    durationUs: 2_000_000,
    mapUri,
  }));
  const base = { targetDurationS: 2, mediaSequence: 1, keyUri: 'key', ended: true };
  const tags = (text: string) => text.split('\n').filter((line) => /^#EXT-X-(?:MAP|KEY)|m4s/.test(line));
  assert.deepEqual(tags(mediaPlaylist({ ...base, segments }, { query: 's=1' })), [
    '#EXT-X-MAP:URI="init-0.mp4?s=1"',
    '#EXT-X-KEY:METHOD=AES-128,URI="key?s=1"',
    '0.m4s?s=1',
    '1.m4s?s=1',
    '#EXT-X-KEY:METHOD=NONE',
    '#EXT-X-MAP:URI="init-1.mp4?s=1"',
    '#EXT-X-KEY:METHOD=AES-128,URI="key?s=1"',
    '2.m4s?s=1',
  ]);
  assert.equal(tags(mediaPlaylist({ ...base, skipped: 3, segments }))[0], '#EXT-X-KEY:METHOD=NONE');
});
