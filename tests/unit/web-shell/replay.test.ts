import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expiresAtMs, withSignatureOf } from '../../../web/engine/player/signed-address.ts';
import { marksOfPlaylist, Timeline } from '../../../web/engine/player/timeline.ts';

const AT = Date.parse('2026-11-21T10:00:00.000Z');

/** Ten seconds of class, then the teacher's network was away for a minute, then ten more. */
const interrupted = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:5
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:00:00.000Z
#EXTINF:5.000,
1.m4s
#EXTINF:5.000,
2.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-2.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:01:10.000Z
#EXTINF:5.000,
3.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:01:15.000Z
#EXTINF:5.000,
4.m4s
#EXT-X-ENDLIST
`;

test('a message is shown where it was written, although the gap is not in the recording', () => {
  const timeline = new Timeline(marksOfPlaylist(interrupted));
  assert.equal(timeline.positionOf(AT + 3_000), 3);
  assert.equal(timeline.positionOf(AT + 7_500), 7.5);
  assert.equal(timeline.positionOf(AT + 72_000), 12);
  assert.equal(timeline.positionOf(AT + 79_000), 19);
});

test('what was written in the gap is shown where class goes on', () => {
  assert.equal(new Timeline(marksOfPlaylist(interrupted)).positionOf(AT + 40_000), 10);
});

test('what was written before class is shown at its start, and after class at its end', () => {
  const timeline = new Timeline(marksOfPlaylist(interrupted));
  assert.equal(timeline.positionOf(AT - 60_000), 0);
  assert.equal(timeline.positionOf(AT + 600_000), 20);
});

test('a playlist without dates gives no marks, and an odd one does no harm', () => {
  assert.deepEqual(marksOfPlaylist('#EXTM3U\n#EXTINF:2,\na.m4s\n'), []);
  assert.deepEqual(marksOfPlaylist('#EXT-X-PROGRAM-DATE-TIME:yesterday\n#EXTINF:x,\na.m4s'), []);
  assert.ok(new Timeline([]).empty);
});

const fresh = 'https://cdn.example.org/live/c/index.m3u8?expires=2000000000&sign=new&viewer=v2';

test('requests below a signed playlist get its newest signature', () => {
  assert.equal(
    withSignatureOf(fresh, 'https://cdn.example.org/live/c/v0/7.m4s?expires=1&sign=old&part=2'),
    'https://cdn.example.org/live/c/v0/7.m4s?expires=2000000000&sign=new&part=2&viewer=v2',
  );
});

test('a signature is never sent to another server, nor added where there was none', () => {
  const elsewhere = 'https://evil.example.com/7.m4s?sign=old';
  assert.equal(withSignatureOf(fresh, elsewhere), elsewhere);
  assert.equal(
    withSignatureOf(fresh, 'https://cdn.example.org/open.m4s'),
    'https://cdn.example.org/open.m4s',
  );
});

test('the end of an address is read from it', () => {
  assert.equal(expiresAtMs(fresh), 2_000_000_000_000);
  assert.equal(expiresAtMs('https://cdn.example.org/open.m4s'), Number.POSITIVE_INFINITY);
});
