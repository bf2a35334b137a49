// On a full disk nobody's class ends: what cannot be written waits, in its order.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '#server/log.ts';
import { createDiskFullTolerantWriter } from '#server/disk-full-tolerant-writer.ts';

it('keeps what a full database does not take, says so once, and writes it when there is room', async () => {
  const lines: string[] = [];
  const log = createLog('info', 'test', { write: (line) => lines.push(line) });
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE item (n INTEGER, body TEXT); PRAGMA max_page_count = 8');
  const insert = db.prepare('INSERT INTO item VALUES (?, ?)');
  const writer = createDiskFullTolerantWriter<number>(
    'test',
    (n) => void insert.run(n, 'x'.repeat(2_000)),
    log,
  );
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  for (const n of numbers) writer.write(n);
  const left = writer.waiting().length;
  assert.ok(left > 0 && left < 40, `${left} wait`);
  assert.throws(() => writer.writeNow(41), { code: 'disk-full' });
  db.exec('PRAGMA max_page_count = 1000');
  writer.write(40);
  for (let tries = 0; tries < 50 && writer.waiting().length > 0; tries += 1) await sleep(100);
  const written = db.prepare('SELECT n FROM item ORDER BY rowid').all();
  assert.deepEqual(
    written.map(({ n }) => n),
    [...numbers, 40],
  );
  assert.equal(lines.filter((line) => line.includes('takes no more')).length, 1);
  writer.close();
});

it('does not hide what is no fault of the disk', () => {
  const log = createLog('silent', 'test');
  const writer = createDiskFullTolerantWriter<number>('test', () => assert.fail('a mistake'), log);
  assert.throws(() => writer.write(1), /a mistake/);
  assert.equal(writer.waiting().length, 0);
});
