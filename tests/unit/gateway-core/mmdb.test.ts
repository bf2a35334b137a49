// Countries by address, out of a MaxMind DB file.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLog } from '#server/log.ts';
import { country, makeMmdb } from '../../support/mmdb.ts';
import { CountryFile } from '../../../gateway/access/geoip.ts';
import { asMap, bytesOf, Mmdb } from '../../../gateway/access/mmdb.ts';

const log = createLog({ LECTERN_LOG: 'silent' }, 'gateway');
const WORLD = {
  '192.0.2.0/24': country('CN'),
  '198.51.100.128/25': country('DE'),
  '2001:db8::/32': country('FR'),
};
const codeIn = (db: Mmdb, ip: string) => asMap(asMap(db.get(ip)).country).iso_code;

describe('a MaxMind DB file', () => {
  for (const recordBits of [24, 28, 32] as const) {
    it(`with records of ${recordBits} bits tells the country of v4 and v6 addresses`, () => {
      const db = new Mmdb(makeMmdb(WORLD, { recordBits }));
      assert.equal(db.type, 'Test-Country');
      assert.equal(codeIn(db, '192.0.2.7'), 'CN');
      assert.equal(codeIn(db, '198.51.100.200'), 'DE');
      assert.equal(codeIn(db, '2001:db8:1::5'), 'FR');
      for (const stranger of ['198.51.100.1', '203.0.113.1', '2001:db9::1', '::1', 'nonsense']) {
        assert.equal(db.get(stranger), undefined, stranger);
      }
    });
  }

  it('of v4 alone knows nothing of v6', () => {
    const db = new Mmdb(makeMmdb({ '192.0.2.0/24': country('CN') }, { ipVersion: 4 }));
    assert.equal(codeIn(db, '192.0.2.255'), 'CN');
    assert.equal(db.get('2001:db8::1'), undefined);
  });

  it('that is cut off, damaged or something else is refused or fails, and never hangs', () => {
    const good = makeMmdb(WORLD);
    assert.throws(() => new Mmdb(Buffer.from('GIF89a')), /no MaxMind DB/);
    assert.throws(() => new Mmdb(good.subarray(0, good.length - 200)));
    let failures = 0;
    for (let at = 0; at < good.length; at += 1) {
      for (const value of [0x00, 0x3f, 0xff]) {
        const bad = Buffer.from(good);
        bad[at] = value;
        try {
          const db = new Mmdb(bad);
          for (const ip of ['192.0.2.7', '198.51.100.200', '2001:db8::1']) db.get(ip);
        } catch (error) {
          assert.ok(error instanceof Error && !(error instanceof TypeError), String(error));
          failures += 1;
        }
      }
    }
    assert.ok(failures > 50, `${failures} damages were noticed`);
  });

  it('that points to itself ends as well', () => {
    // A map whose only value is a pointer to the map.
    const bytes = makeMmdb({ '192.0.2.0/24': { a: 'self' } });
    const at = bytes.indexOf(Buffer.from([0xe1, 0x41, 0x61, 0x44]));
    assert.ok(at > 0);
    const data = bytes.indexOf(Buffer.from([0x48, ...Buffer.from('iso_code')]));
    bytes.set([(1 << 5) | ((at - data) >> 8), (at - data) & 255], at + 3);
    assert.throws(() => new Mmdb(bytes).get('192.0.2.1'), /nested too deep/);
  });
});

describe('an address', () => {
  it('becomes its bytes, however it is written', () => {
    const hex = (ip: string) => bytesOf(ip)?.toString('hex');
    assert.equal(hex('192.0.2.1'), 'c0000201');
    assert.equal(hex('2001:db8::1'), '20010db8000000000000000000000001');
    assert.equal(hex('::'), '0'.repeat(32));
    assert.equal(hex('::ffff:192.0.2.1'), `${'0'.repeat(20)}ffffc0000201`);
    assert.equal(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
    assert.equal(hex('unknown'), undefined);
  });
});

describe('the operator’s file of countries', () => {
  it('is read anew when it is replaced, and a bad one does not displace a good one', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lectern-geoip-'));
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
    rmSync(dir, { recursive: true });
  });

  it('goes by where a network is registered if it does not say where it is used', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lectern-geoip-'));
    const path = join(dir, 'countries.mmdb');
    writeFileSync(path, makeMmdb({ '192.0.2.0/24': { registered_country: { iso_code: 'BR' } } }));
    const file = await CountryFile.open(path, log);
    assert.equal(file.of('192.0.2.1'), 'BR');
    assert.equal(file.of('203.0.113.1'), null);
    file.close();
    rmSync(dir, { recursive: true });
  });
});
