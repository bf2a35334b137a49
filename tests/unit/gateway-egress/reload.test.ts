// What a player may ask of a playlist.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkAhead, readReload } from '../../../gateway/servers/hls/reload.ts';

const read = (query: string) => readReload(new URLSearchParams(query));
const refused = { code: 'bad-request' };

test('directives are read as they are meant', () => {
  assert.deepEqual(read(''), { isDelta: false });
  assert.deepEqual(read('_HLS_msn=7'), { until: { n: 7, part: undefined }, isDelta: false });
  assert.deepEqual(read('_HLS_msn=7&_HLS_part=0&sign=x'), { until: { n: 7, part: 0 }, isDelta: false });
  assert.deepEqual(read('_HLS_skip=YES'), { isDelta: true });
  assert.deepEqual(read('_HLS_skip=v2&_HLS_msn=1'), { until: { n: 1, part: undefined }, isDelta: true });
});

test('nonsense is refused', () => {
  for (const query of [
    '_HLS_msn=',
    '_HLS_msn=1e3',
    '_HLS_msn=0x1',
    '_HLS_msn=-0',
    '_HLS_msn=1234567890',
    '_HLS_msn= 1',
    '_HLS_part=1',
    '_HLS_msn=1&_HLS_part=-1',
    '_HLS_msn=1&_HLS_part=1&_HLS_part=1',
    '_HLS_skip=yes',
    '_HLS_skip=',
    '_HLS_skip=YES&_HLS_skip=YES',
  ]) {
    assert.throws(() => read(query), refused, query);
  }
});

test('a player may look two segments ahead, and nine parts, but no further', () => {
  const ahead = (query: string, parts = 0) => checkAhead(read(query), 10, parts);
  for (const query of ['', '_HLS_msn=0', '_HLS_msn=9&_HLS_part=500', '_HLS_msn=10', '_HLS_msn=11'])
    ahead(query);
  assert.throws(() => ahead('_HLS_msn=12'), refused);
  ahead('_HLS_msn=10&_HLS_part=11', 3);
  assert.throws(() => ahead('_HLS_msn=10&_HLS_part=12', 3), refused);
  ahead('_HLS_msn=11&_HLS_part=8', 3);
  assert.throws(() => ahead('_HLS_msn=11&_HLS_part=9', 3), refused);
});
