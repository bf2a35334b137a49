// What goes back to the sender: requests for key frames, not too many, and reports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { RTP_HEADER_BYTES, writeRtp } from '#shared/media/rtp.ts';
import { ClockGroup, TrackClock } from '../../../gateway/ingest/clock.ts';
import { IngestTally } from '../../../gateway/ingest/metrics.ts';
import { RtpReceiver, type StreamUnit } from '../../../gateway/ingest/rtp/receiver.ts';
import { camera, microphone } from './stage.ts';

const PARAMETERS = [
  Buffer.from('Z0LADdoFBn58BEAAAAMAQAAADyPFCqg=', 'base64'),
  Buffer.from('aM4PyA==', 'base64'),
];
const KEY = Buffer.from('65b8aaaa', 'hex');
const INTER = Buffer.from('41b8bbbb', 'hex');

function receive(track = camera()) {
  const sent: { atMs: number; packet: Buffer }[] = [];
  const units: StreamUnit[] = [];
  const counts = new IngestTally(new Registry()).open();
  let nowMs = 0;
  let sequence = 100;
  const receiver = new RtpReceiver({
    track,
    clock: new TrackClock(track.clockRate, new ClockGroup()),
    counts,
    ownSsrc: 9,
    onUnit: (unit) => units.push(unit),
    send: (packet) => sent.push({ atMs: nowMs, packet: Buffer.from(packet) }),
  });
  const packet = (payload: Buffer, marker = true) => {
    const { payloadType, ssrc } = track;
    const timestamp = (nowMs * track.clockRate) / 1_000;
    const bytes = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
    receiver.rtp(writeRtp(bytes, { payloadType, marker, sequence, timestamp, ssrc }, payload), nowMs);
    sequence += 1;
  };
  return {
    receiver,
    units,
    counts,
    packet,
    key() {
      for (const set of PARAMETERS) packet(set, false);
      packet(KEY);
    },
    inter: () => packet(INTER),
    lose: () => (sequence += 1),
    pass(forMs: number, each: () => void = () => undefined) {
      for (let passed = 0; passed < forMs; passed += 40) {
        nowMs += 40;
        each();
        receiver.tick(nowMs);
      }
    },
    /** When key frames were asked for. */
    asked: () => sent.filter(({ packet: { length } }) => length === 20).map(({ atMs }) => atMs),
    reports: () => sent.map(({ packet: bytes }) => bytes).filter(({ length }) => length === 32),
  };
}

test('a stream that begins in the middle is asked for a key frame until it comes', () => {
  const { pass, inter, key, asked, units } = receive();
  pass(1_600, inter);
  assert.equal(asked().length, 4, `asked at ${asked().join(' ')}`);
  assert.equal(units.length, 0);
  key();
  pass(2_000, inter);
  assert.equal(asked().length, 4);
  assert.ok(units.length > 40);
});

test('requests within half a second become one, and none is forgotten', () => {
  const { receiver, pass, key, inter, asked } = receive();
  pass(40, key);
  for (let i = 0; i < 10; i += 1) receiver.requestKeyframe(40);
  assert.equal(asked().length, 1);
  key();
  receiver.requestKeyframe(80);
  assert.equal(asked().length, 1);
  pass(1_000, inter);
  assert.equal(asked().length, 2, `asked at ${asked().join(' ')}`);
});

test('a layer that sleeps is asked once, and again when it wakes', () => {
  const { receiver, pass, inter, asked } = receive();
  for (let round = 0; round < 5; round += 1) {
    receiver.requestKeyframe(round * 2_000);
    pass(2_000);
  }
  assert.equal(asked().length, 1);
  pass(40, inter);
  assert.equal(asked().length, 2);
});

test('a loss is answered by a request as soon as it is certain', () => {
  const { pass, key, inter, lose, asked, units, counts } = receive();
  pass(40, key);
  pass(1_000, inter);
  const before = asked().length;
  lose();
  const given = units.length;
  pass(240, inter);
  assert.equal(asked().length, before + 1);
  assert.equal(units.length, given, 'nothing that builds on the loss comes out');
  pass(1_000);
  assert.equal(counts.lost, 1);
});

test('each second a report tells the sender what came', () => {
  const { pass, key, inter, lose, reports } = receive();
  pass(40, key);
  pass(1_000, inter);
  lose();
  pass(2_000, inter);
  const last = reports().at(-1);
  assert.ok(reports().length >= 3 && last !== undefined);
  assert.equal(last.readUInt32BE(8), 1);
  assert.equal(last.readUIntBE(13, 3), 1, 'one packet lost in all');
});

test('sound is never asked for key frames, and a foreign payload type is no sound', () => {
  const { receiver, pass, packet, asked, units, counts } = receive(microphone());
  pass(100, () => packet(Buffer.from('f8fffe', 'hex')));
  receiver.requestKeyframe(100);
  assert.deepEqual(asked(), []);
  assert.equal(units.length, 3);
  const wrong = Buffer.alloc(20);
  wrong[0] = 0x80;
  wrong[1] = 111;
  receiver.rtp(wrong, 200);
  assert.equal(counts.malformed, 1);
});
