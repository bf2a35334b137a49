// The log of all rooms: kept over a kill, told to the school once and in order, and emptied of what must not stay.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RoomEvent, RoomEventBody } from '#shared/contract/events.ts';
import { EventBatch } from '#shared/contract/internal.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { readJson, sendJson } from '#server/http.ts';
import { internalClient } from '#server/internal-client.ts';
import { createLog } from '#server/log.ts';
import { closeServer, createServer, listen } from '#server/service.ts';
import { openEventLog, type OpenEventLog } from '../../../sfu/event-log.ts';
import { broadcast } from '../../../sfu/room/features/broadcast/on-air.ts';
import { chat } from '../../../sfu/room/features/chat/chat.ts';
import { memoryOf } from '../../../sfu/room/record.ts';

const log = createLog('silent', 'test');
const run = { id: 'broadcast1', channel: 'channel1', title: 'Algebra', startedBy: 'teacher1' };
const said = (id: string, text: string) => ({
  id,
  peerId: 'teacher1',
  name: '李老师',
  role: 'teacher' as const,
  text,
  sentAtMs: 5,
});
const at = (room: string, body: RoomEventBody): RoomEvent => ({ ...body, room, atMs: 1, media: null });

async function until(what: string, is: () => boolean): Promise<void> {
  for (const end = Date.now() + 15_000; !is();) {
    assert.ok(Date.now() < end, what);
    await sleep(10);
  }
}

describe('the log of the rooms', () => {
  let folder: string;
  let path: string;
  let schoolUrl: string;
  let school: ReturnType<typeof createServer>;
  const batches: EventBatch[] = [];
  const logs: OpenEventLog[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lectern-events-'));
    path = join(folder, 'sfu', 'events.db');
    batches.length = 0;
    school = createServer((request, response) => {
      void readJson(request, EventBatch, 4 * 1024 * 1024).then((batch) => {
        batches.push(batch);
        sendJson(response, 200, {});
      });
    });
    schoolUrl = `http://127.0.0.1:${await listen(school, 0, '127.0.0.1')}`;
  });
  afterEach(async () => {
    for (const one of logs.splice(0)) one.close();
    await closeServer(school);
    rmSync(folder, { recursive: true });
  });

  const open = (url = schoolUrl) => {
    const at = internalClient(INTERNAL.school, () => [url], 'secret');
    const opened = openEventLog({ path, school: at, log });
    logs.push(opened);
    return opened;
  };
  /** A school that is away. */
  const AWAY = 'http://127.0.0.1:1';
  const told = () => batches.flatMap(({ events }) => events.map(({ event }) => event.type)).join(' ');
  const onDisk = () =>
    readdirSync(join(folder, 'sfu'))
      .map((name) => readFileSync(join(folder, 'sfu', name), 'latin1'))
      .join('');

  test('has after reopening what was appended, and of a closed room only that', () => {
    const message = said('m1', "x'; DROP TABLE event");
    const first = open(AWAY);
    first.append(at('roomroom1', { type: 'room:opened' }));
    first.append(at('roomroom1', { type: 'chat:posted', message }));
    first.append(at('roomroom1', { type: 'broadcast:started', run }));
    first.append(at('roomroom2', { type: 'peer:removed', peerId: 'nobody99' }));
    first.append(at('roomroom3', { type: 'chat:posted', message }));
    first.append(at('roomroom3', { type: 'room:closed' }));
    // Not closed: that is kill -9.
    const second = open(AWAY);
    const record = second.load('roomroom1');
    assert.equal(record.state, 'opened');
    assert.deepEqual(memoryOf(record, chat).values(), [message]);
    assert.deepEqual(memoryOf(record, broadcast).run, run);
    assert.deepEqual([...second.load('roomroom2').removed], ['nobody99']);
    assert.equal(second.load('roomroom3').state, 'closed');
    assert.equal(memoryOf(second.load('roomroom3'), chat).size, 0);
    assert.equal(second.load('roomroom4').state, 'new');
    assert.deepEqual(second.unfinished(), ['roomroom1']);
    assert.equal(second.waiting(), 6);
    second.close();
    second.close();
  });

  test('tells the school everything once and in order, over a restart in the middle', async () => {
    const first = open(AWAY);
    first.append(at('roomroom1', { type: 'room:opened' }));
    first.append(at('roomroom1', { type: 'chat:posted', message: said('m1', 'one') }));
    first.close();
    const second = open();
    await until('the school has it', () => second.waiting() === 0);
    second.append(at('roomroom1', { type: 'hand:raised', peerId: 'student1', raisedAtMs: 2 }));
    await until('and the next', () => second.waiting() === 0);
    second.close();
    const third = open();
    third.append(at('roomroom1', { type: 'room:closed' }));
    await until('and the last', () => third.waiting() === 0);
    assert.equal(told(), 'room:opened chat:posted hand:raised room:closed');
    const ids = batches.flatMap(({ events }) => events.map(({ id }) => id));
    assert.deepEqual(
      ids,
      [...new Set(ids)].sort((a, b) => a - b),
    );
    assert.equal(new Set(batches.map(({ outbox }) => outbox)).size, 1);
    assert.equal(third.load('roomroom1').state, 'closed');
  });

  test('keeps no text that was deleted, nor any of a class that is over once the school has it', async () => {
    const first = open(AWAY);
    first.append(at('roomroom1', { type: 'chat:posted', message: said('m1', 'never mind that') }));
    first.append(at('roomroom1', { type: 'chat:posted', message: said('m2', 'this stays a while') }));
    first.append(at('roomroom1', { type: 'chat:deleted', messageId: 'm1' }));
    assert.ok(!onDisk().includes('never mind that'));
    // A repeat of it is known as one.
    assert.equal(memoryOf(first.load('roomroom1'), chat).get('m1'), null);
    first.append(at('roomroom1', { type: 'room:closed' }));
    first.close();
    assert.ok(onDisk().includes('this stays a while'), 'the school has yet to hear of it');
    const second = open();
    await until('the school has it', () => second.waiting() === 0);
    second.close();
    assert.equal(told(), 'chat:posted chat:deleted room:closed');
    assert.ok(!onDisk().includes('this stays a while'));
  });

  test('takes over what an earlier version kept in two files', async () => {
    mkdirSync(join(folder, 'sfu'), { recursive: true });
    const rooms = new DatabaseSync(join(folder, 'sfu', 'rooms.db'));
    rooms.exec('CREATE TABLE entry (id INTEGER PRIMARY KEY, room TEXT NOT NULL, body TEXT NOT NULL)');
    const entry = rooms.prepare('INSERT INTO entry (room, body) VALUES (?, ?)');
    const peer = { id: 'teacher1', name: 'T', role: 'teacher', permissions: [], joinedAtMs: 3 };
    for (const [room, body] of [
      ['roomroom1', { type: 'room:opened' }],
      ['roomroom1', { type: 'peer:joined', peer }],
      ['roomroom1', { type: 'chat:posted', message: said('m1', 'kept') }],
      ['roomroom1', { type: 'broadcast:started', run }],
      ['roomroom2', { type: 'room:closed' }],
    ] as const) {
      entry.run(room, JSON.stringify(body));
    }
    rooms.close();
    const outbox = new DatabaseSync(join(folder, 'sfu', 'outbox.db'));
    outbox.exec('CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)');
    const event = outbox.prepare('INSERT INTO event (body) VALUES (?)');
    const common = { atMs: 5, lesson: 'roomroom1', name: 'T', role: 'teacher', peer: 'teacher1' };
    event.run(JSON.stringify({ ...common, type: 'chat:posted', message: 'm1', text: 'kept' }));
    event.run(JSON.stringify({ type: 'room:closed', atMs: 6, lesson: 'roomroom2' }));
    outbox.close();

    const taken = open();
    assert.deepEqual(taken.unfinished(), ['roomroom1']);
    const record = taken.load('roomroom1');
    assert.deepEqual([...record.present.keys()], ['teacher1']);
    assert.deepEqual(memoryOf(record, chat).values(), [said('m1', 'kept')]);
    assert.deepEqual(memoryOf(record, broadcast).run, run);
    assert.equal(taken.load('roomroom2').state, 'closed');
    await until('the school hears the rest', () => taken.waiting() === 0);
    assert.equal(told(), 'chat:posted room:closed');
    assert.ok(!existsSync(join(folder, 'sfu', 'rooms.db')) && !existsSync(join(folder, 'sfu', 'outbox.db')));
    taken.close();
    const again = open();
    assert.equal(again.waiting(), 0);
    assert.deepEqual(memoryOf(again.load('roomroom1'), chat).values(), [said('m1', 'kept')]);
  });
});
