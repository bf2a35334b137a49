// Countries by address, out of a MaxMind DB file.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createLog } from '#server/log.ts';
import { country, makeMmdb } from '../../support/mmdb.ts';
import { CountryFile } from '../../../gateway/access/geoip.ts';

const log = createLog('silent', 'gateway');
const WORLD = {
  '192.0.2.0/24': country('CN'),
  '198.51.100.128/25': country('DE'),
  '2001:db8::/32': country('FR'),
};

const dir = mkdtempSync(join(tmpdir(), 'lectern-geoip-'));
after(() => rmSync(dir, { recursive: true }));
let files = 0;

async function read(bytes: Buffer): Promise<CountryFile> {
  const path = join(dir, `${(files += 1)}.mmdb`);
  writeFileSync(path, bytes);
  const file = await CountryFile.open(path, log);
  file.close();
  return file;
}

describe('a MaxMind DB file', () => {
  for (const recordBits of [24, 28, 32] as const) {
    it(`with records of ${recordBits} bits tells the country of v4 and v6 addresses`, async () => {
      const world = await read(makeMmdb(WORLD, { recordBits }));
      assert.equal(world.of('192.0.2.7'), 'CN');
      assert.equal(world.of('198.51.100.200'), 'DE');
      assert.equal(world.of('2001:db8:1::5'), 'FR');
      for (const stranger of ['198.51.100.1', '203.0.113.1', '2001:db9::1', '::1', 'nonsense']) {
        assert.equal(world.of(stranger), null, stranger);
      }
    });
  }

  it('knows an address however it is written', async () => {
    const mapped = await read(makeMmdb({ '192.0.2.0/24': country('CN'), '2001:db8::/32': country('FR') }));
    for (const ip of ['2001:db8::', '2001:0DB8:0:0:0:0:0:1', '2001:db8::192.0.2.1', '2001:db8::1%eth0']) {
      assert.equal(mapped.of(ip), 'FR', ip);
    }
    assert.equal(mapped.of('::192.0.2.1'), 'CN');
  });

  it('of v4 alone knows nothing of v6, nor of what is no address', async () => {
    const v4 = await read(
      makeMmdb({ '0.0.0.0/8': country('CN'), '32.0.0.0/8': country('DE') }, { ipVersion: 4 }),
    );
    assert.equal(v4.of('0.0.0.255'), 'CN');
    assert.equal(v4.of('2001:db8::1'), null);
    assert.equal(v4.of('nonsense'), null);
  });

  it('that is cut off, damaged or something else is refused or says nothing, and never throws or hangs', async () => {
    const good = makeMmdb(WORLD);
    const marker = good.lastIndexOf('MaxMind.com');
    for (const bad of [Buffer.from('GIF89a'), Buffer.alloc(0), good.subarray(0, marker + 20)]) {
      assert.equal((await read(bad)).isReady, false);
    }
    for (let length = 1; length < good.length; length += 1) {
      const cut = await read(good.subarray(0, length));
      if (length <= marker) assert.equal(cut.isReady, false, `cut off after ${length} bytes`);
      cut.of('192.0.2.7');
    }
    let failures = 0;
    for (let at = 0; at < good.length; at += 1) {
      for (const value of [0x00, 0x3f, 0xff]) {
        const bad = Buffer.from(good);
        bad[at] = value;
        const world = await read(bad);
        const codes = ['192.0.2.7', '198.51.100.200', '2001:db8::1'].map((ip) => world.of(ip));
        for (const code of codes) assert.match(code ?? '--', /^([A-Z]{2}|--)$/);
        if (codes.includes(undefined)) failures += 1;
      }
    }
    assert.ok(failures > 50, `${failures} damages were noticed`);
  });

  it('that points to itself ends as well', async () => {
    // A map whose only value is a pointer to the map.
    const bytes = makeMmdb({ '192.0.2.0/24': { a: 'self' } });
    const at = bytes.indexOf(Buffer.from([0xe1, 0x41, 0x61, 0x44]));
    assert.ok(at > 0);
    const data = bytes.indexOf(Buffer.from([0x48, ...Buffer.from('iso_code')]));
    bytes.set([(1 << 5) | ((at - data) >> 8), (at - data) & 255], at + 3);
    const circle = await read(bytes);
    assert.ok(circle.isReady);
    assert.equal(circle.of('192.0.2.1'), undefined);
  });
});

describe('the operator’s file of countries', () => {
  it('is read again when it is replaced, and a bad one does not displace a good one', async () => {
    const path = join(dir, 'countries.mmdb');
    const put = (bytes: Buffer, atS: number) => {
      writeFileSync(path, bytes);
      utimesSync(path, atS, atS);
    };
    const until = async (good: () => boolean) => {
      for (let tries = 0; tries < 200 && !good(); tries += 1)
        await new Promise((done) => setTimeout(done, 10));
      assert.ok(good());
    };
    const file = await CountryFile.open(path, log, 20);
    assert.equal(file.isReady, false, 'there is none yet');
    put(makeMmdb({ '192.0.2.0/24': country('CN') }), 1_000);
    await until(() => file.isReady);
    assert.equal(file.of('192.0.2.1'), 'CN');
    put(Buffer.from('half a download'), 2_000);
    await new Promise((done) => setTimeout(done, 100));
    assert.equal(file.of('192.0.2.1'), 'CN');
    put(makeMmdb({ '192.0.2.0/24': country('JP') }), 3_000);
    await until(() => file.of('192.0.2.1') === 'JP');
    file.close();
  });

  it('goes by where a network is registered if it does not say where it is used', async () => {
    const file = await read(makeMmdb({ '192.0.2.0/24': { registered_country: { iso_code: 'BR' } } }));
    assert.equal(file.of('192.0.2.1'), 'BR');
    assert.equal(file.of('203.0.113.1'), null);
  });
});
