// What the school said of a channel, kept by the gateway over its restarts.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AS_THE_SCHOOL, DEFAULT_ACCESS } from '#shared/contract/access.ts';
import type { ChannelSettings } from '#shared/contract/internal.ts';
import { createLog } from '#server/log.ts';
import { AccessSettings } from '../../../gateway/access/settings.ts';

const log = createLog('silent', 'gateway');
const LIVE = '/live/channel12';
const settings = (over: Partial<ChannelSettings> = {}): ChannelSettings => ({
  version: 10,
  lesson: 'lesson123',
  title: 'Photosynthesis',
  publishVersion: 0,
  epoch: 3,
  access: { ...AS_THE_SCHOOL, ip: { allow: [], deny: ['192.0.2.0/24'] } },
  ...over,
});

describe('settings of channels', () => {
  let dir: string;
  const open = () =>
    AccessSettings.open({
      dir,
      channelOf: (id) => (id === 'recording1' ? 'channel12' : undefined),
      log,
    });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-settings-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('are in force at once, and after a restart', async () => {
    const first = await open();
    assert.equal(first.of(LIVE).access.tokens.required, true, 'what nobody told of is as by default');
    const written = first.put('channel12', settings());
    assert.equal(first.of(LIVE).epoch, 3, 'before it is on disk');
    assert.equal((await written).version, 10);
    await first.close();
    const again = await open();
    assert.deepEqual(again.of(LIVE), first.of(LIVE));
    assert.equal(again.instance, first.instance);
    assert.deepEqual(again.of('/replay/recording1').access.ip.deny, ['192.0.2.0/24'], 'and for its replay');
    assert.equal(again.of('/replay/recording2').lesson, '');
    await again.close();
  });

  it('are in force for a replay of several recordings, if they are of one channel', async () => {
    const channels = new Map([
      ['recording1', 'channel12'],
      ['recording2', 'channel12'],
      ['recording3', 'channel34'],
    ]);
    const kept = await AccessSettings.open({ dir, channelOf: (id) => channels.get(id), log });
    await kept.put('channel12', settings());
    assert.equal(kept.channelOf('/replay/parts-recording1-recording2'), 'channel12');
    assert.equal(kept.of('/replay/parts-recording2-recording1').epoch, 3);
    for (const others of ['recording1-recording3', 'recording1-recording9', 'recording1-recording1'])
      assert.equal(kept.channelOf(`/replay/parts-${others}`), '', others);
    await kept.close();
  });

  it('come from the school where a lesson has none, also when that changes', async () => {
    const kept = await open();
    await kept.put('channel12', settings());
    const changed: (string | undefined)[] = [];
    kept.onChanged((channel) => changed.push(channel));
    const before = kept.versionOf('channel12');
    const access = { ...DEFAULT_ACCESS, tokens: { required: false }, ip: { allow: [], deny: ['10.0.0.1'] } };
    await kept.putDefaults({ version: 5, access });
    assert.equal(kept.of(LIVE).access.tokens.required, false);
    assert.deepEqual(kept.of(LIVE).access.ip.deny, ['192.0.2.0/24'], 'its own goes before');
    assert.deepEqual(kept.of('/live/channel99').access.ip.deny, ['10.0.0.1']);
    assert.ok(kept.versionOf('channel12') > before);
    assert.deepEqual(changed, [undefined]);
    await kept.close();
    assert.equal((await open()).of(LIVE).access.tokens.required, false);
  });

  it('do not go back to older ones', async () => {
    const kept = await open();
    await kept.put('channel12', settings({ version: 10, epoch: 4 }));
    assert.equal((await kept.put('channel12', settings({ version: 9, epoch: 3 }))).version, 10);
    assert.equal(kept.of(LIVE).epoch, 4);
    await kept.close();
    assert.equal((await open()).of(LIVE).epoch, 4);
  });

  it('that are damaged let nobody in, until the school has said them again', async () => {
    const kept = await open();
    await kept.put('channel12', settings());
    await kept.close();
    writeFileSync(join(dir, 'channel12.json'), '{"version":10,"less');
    const again = await open();
    assert.throws(() => again.of(LIVE), /damaged/);
    assert.throws(() => again.of('/replay/recording1'), /damaged/);
    assert.equal(again.of('/live/channel99').epoch, 0, 'others are as they were');
    assert.notEqual(again.instance, kept.instance, 'so that the school notices');
    await again.put('channel12', settings());
    assert.equal(again.of(LIVE).epoch, 3);
    await again.close();
  });

  it('of the school that are damaged let nobody in anywhere', async () => {
    writeFileSync(join(dir, '_school.json'), '');
    const kept = await open();
    assert.throws(() => kept.of('/live/channel99'), /damaged/);
    await kept.putDefaults({ version: 1, access: DEFAULT_ACCESS });
    assert.equal(kept.of('/live/channel99').epoch, 0);
    await kept.close();
  });

  it('of a deleted lesson open nothing that was ever signed, and say nothing of it', async () => {
    const kept = await open();
    await kept.put('channel12', settings());
    await kept.tombstone('channel12');
    await kept.tombstone('channel99');
    await kept.close();
    const again = await open();
    assert.equal(again.of(LIVE).epoch, 4);
    assert.equal(again.of(LIVE).publishVersion, null);
    assert.ok(!readFileSync(join(dir, 'channel12.json'), 'utf8').includes('Photosynthesis'));
    assert.ok(!readdirSync(dir).includes('channel99.json'));
  });
});
