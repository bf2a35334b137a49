// What a tab knows of the server's clock.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Joined, Welcome } from '#shared/contract/signalling.ts';
import { RoomMirror } from '../../../web/engine/room-mirror.ts';

const welcome = (serverTimeMs: number) => ({ serverTimeMs, present: 0, room: {} }) as unknown as Welcome;
const joined = (serverTimeMs: number) =>
  ({ serverTimeMs, room: {}, you: { id: 'peer0001' }, peers: [], producers: [] }) as unknown as Joined;

describe('the server’s clock in a tab', () => {
  it('is that of the answer that was on its way for less long', () => {
    const room = new RoomMirror();
    room.welcomed(welcome(10_000), 5_040);
    assert.equal(room.clockOffsetMs, 4_960);
    // The answer to the join had to wait for a machine that was busy.
    room.joined(joined(20_000), 15_900);
    assert.equal(room.clockOffsetMs, 4_960);
    room.joined(joined(30_000), 25_010);
    assert.equal(room.clockOffsetMs, 4_990);
  });

  it('is read again with each connection, for either clock may have been set', () => {
    const room = new RoomMirror();
    room.welcomed(welcome(10_000), 5_040);
    room.welcomed(welcome(20_000), 19_000);
    room.joined(joined(20_000), 19_100);
    assert.equal(room.clockOffsetMs, 1_000);
  });
});
