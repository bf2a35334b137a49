// One stream from several servers: who is asked, who is kept, and that the joint goes unnoticed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlvDemuxer, flvHeader, flvTag } from '#shared/media/flv.ts';
import { FlvTagReader } from '../../../web/engine/player/flv-tags.ts';
import type { Failure } from '../../../web/engine/player/ports.ts';
import { SourceRace, type ConnectionEvents } from '../../../web/engine/player/race.ts';
import { HandClock } from './hand-player.ts';

const FRAME_MS = 40;
/** Every so many frames a key frame. */
const GROUP = 25;

/** What one class sends: the same frames to everyone, each with its number as its content. */
const frame = (number: number, zeroMs = 0) => {
  const body = Uint8Array.of(number % GROUP === 0 ? 0x17 : 0x27, 1, 0, 0, 0, number >> 8, number & 255);
  return flvTag('video', number * FRAME_MS - zeroMs, body);
};
const sound = (number: number, zeroMs = 0) =>
  flvTag('audio', number * FRAME_MS - zeroMs, Uint8Array.of(0xaf, 1, number >> 8, number & 255));
const heads = () => [
  flvHeader({ audio: true, video: true }),
  flvTag('video', 0, Uint8Array.of(0x17, 0, 0, 0, 0, 1, 2, 3)),
  flvTag('audio', 0, Uint8Array.of(0xaf, 0, 0x11, 0x90)),
];

interface Server {
  readonly address: string;
  readonly events: ConnectionEvents;
  open: boolean;
}

function viewer(addresses: readonly string[], reserve = addresses[0]!) {
  const clock = new HandClock();
  const servers: Server[] = [];
  const from: string[] = [];
  const failures: Failure[] = [];
  const reader = new FlvTagReader();
  const got: { track: string; kind: string; timestampMs: number; number: number }[] = [];
  const race = new SourceRace({
    clock,
    addresses: () => addresses,
    reserve: () => reserve,
    connect(address, events) {
      const server = { address, events, open: true };
      servers.push(server);
      return () => void (server.open = false);
    },
    events: {
      from: (address) => from.push(address),
      failed: (failure) => failures.push(failure),
      bytes(chunk) {
        for (const { track, kind, timestampMs, bytes } of reader.readBytes(chunk)) {
          got.push({ track, kind, timestampMs, number: bytes.at(-6)! * 256 + bytes.at(-5)! });
        }
      },
    },
  });
  const latest = (address: string) => servers.findLast((server) => server.address === address)!;
  return {
    race,
    clock,
    servers,
    from,
    failures,
    got,
    latest,
    asked: () => servers.map(({ address }) => address),
    open: () => servers.filter(({ open }) => open).map(({ address }) => address),
    /** The server sends frames `first` to `last`, after the start of a stream where it is one. */
    send(address: string, first: number, last: number, { start = false, zeroMs = 0 } = {}) {
      const { events } = latest(address);
      if (start) for (const head of heads()) events.bytes(head);
      for (let number = first; number <= last; number += 1) {
        events.bytes(frame(number, zeroMs));
        events.bytes(sound(number, zeroMs));
      }
    },
    pictures: () => got.filter(({ track, kind }) => track === 'video' && kind !== 'config'),
  };
}

const A = 'http://a/live/c.flv?sign=1';
const B = 'http://b/live/c.flv?sign=1';
const C = 'http://c/live/c.flv?sign=1';

test('all are asked at once; the first that brings media is kept and the others are let go', () => {
  const { asked, open, send, from } = viewer([A, B, C]);
  assert.deepEqual(asked(), [A, B, C]);
  // Headers alone win nothing: a server may send them and then hang.
  send(A, 0, -1, { start: true });
  assert.deepEqual(open(), [A, B, C]);
  send(B, 0, 0, { start: true });
  assert.deepEqual(open(), [B]);
  assert.deepEqual(from, [B]);
});

test('one server named twice is asked once, and at most four are asked', () => {
  assert.equal(viewer([A, 'http://a/live/c.flv?sign=2']).asked().length, 1);
  assert.equal(
    viewer(['1', '2', '3', '4', '5', '6'].map((name) => `http://${name}/c.flv`)).asked().length,
    4,
  );
});

test('the own server is asked only when the others bring nothing for a second', () => {
  const { asked, clock, send } = viewer([A, B], C);
  clock.pass(650);
  assert.deepEqual(asked(), [A, B]);
  clock.pass(250);
  assert.ok(!asked().includes(C));
  clock.pass(200);
  assert.ok(asked().includes(C));
  const quick = viewer([A, B], C);
  quick.send(A, 0, 0, { start: true });
  quick.clock.pass(250);
  assert.deepEqual(quick.asked(), [A, B]);
  send(C, 0, 0, { start: true });
});

test('a network that holds back what never ends is met with WebSockets, and with them from then on', () => {
  const [WA, WB, WC] = [A, B, C].map((address) => address.replace('http', 'ws')) as [string, string, string];
  const { asked, clock, send, open, from, latest } = viewer([A, B], C);
  clock.pass(750);
  assert.deepEqual(asked(), [A, B, WA, WB]);
  clock.pass(300);
  assert.deepEqual(asked().slice(4), [C, WC], 'the own server, by both');
  send(WB, 0, 10, { start: true });
  assert.deepEqual(from, [WB]);
  assert.deepEqual(open(), [WB]);
  latest(WB).events.failed({ kind: 'network' });
  assert.deepEqual(asked().slice(6), [WA]);
  clock.pass(250);
  assert.deepEqual(asked().slice(7), [WC]);
});

test('where HTTP brings something there are no WebSockets', () => {
  const { asked, clock, send } = viewer([A, B], C);
  send(A, 0, 0, { start: true });
  clock.pass(10_000);
  assert.ok(asked().length > 2);
  assert.deepEqual(
    asked().filter((address) => address.startsWith('ws')),
    [],
  );
});

test('a refusal is not asked about twice', () => {
  const { asked, clock, latest, failures } = viewer([A]);
  latest(A).events.failed({ kind: 'refused', status: 403 });
  clock.pass(5_000);
  assert.deepEqual(asked(), [A]);
  assert.deepEqual(failures, [{ kind: 'refused', status: 403 }]);
});

test('and at once when the others refuse', () => {
  const { asked, latest } = viewer([A, B], C);
  latest(A).events.failed({ kind: 'refused', status: 502 });
  latest(B).events.failed({ kind: 'network' });
  assert.deepEqual(asked(), [A, B, C]);
});

test('one that breaks off is replaced in the middle of a group: every frame once, none missing', () => {
  const { send, latest, pictures, got, clock, from } = viewer([A, B]);
  send(A, 0, 40, { start: true });
  clock.pass(20);
  latest(A).events.failed({ kind: 'network' });
  // The other begins with the group of pictures that is under way.
  send(B, 25, 60, { start: true });
  assert.deepEqual(from, [A, B]);
  assert.deepEqual(
    pictures().map(({ number }) => number),
    Array.from({ length: 61 }, (_, number) => number),
  );
  const sounds = got.filter(({ track, kind }) => track === 'audio' && kind !== 'config');
  assert.deepEqual(
    sounds.map(({ timestampMs }) => timestampMs),
    Array.from({ length: 61 }, (_, number) => number * FRAME_MS),
  );
});

test('the joint stream is an FLV that a strict reader takes', () => {
  const bytes: Uint8Array[] = [];
  const clock = new HandClock();
  const servers: ConnectionEvents[] = [];
  new SourceRace({
    clock,
    addresses: () => [A, B],
    reserve: () => A,
    connect: (_address, events) => {
      servers.push(events);
      return () => undefined;
    },
    events: { from: () => undefined, failed: () => undefined, bytes: (chunk) => bytes.push(chunk) },
  });
  // In pieces that fit no tag.
  const whole = Buffer.concat([...heads(), frame(0), frame(1)]);
  for (let at = 0; at < whole.length; at += 7) servers[0]!.bytes(whole.subarray(at, at + 7));
  servers[0]!.failed({ kind: 'ended' });
  servers.at(-1)!.bytes(Buffer.concat([...heads(), frame(0), frame(1), frame(2)]));
  const reader = new FlvDemuxer();
  const tags = bytes.flatMap((chunk) => [...reader.readBytes(chunk)]);
  assert.deepEqual(
    tags.filter(({ type }) => type === 'video').map(({ timestampMs }) => timestampMs),
    [0, 0, 40, 80, 80],
  );
});

test('frames that follow on what is missing are left out until a key frame', () => {
  const { send, latest, pictures } = viewer([A, B]);
  send(A, 0, 10, { start: true });
  latest(A).events.failed({ kind: 'network' });
  send(B, 14, 51, { start: true });
  assert.deepEqual(
    pictures()
      .slice(11)
      .map(({ number }) => number)
      .slice(0, 2),
    [25, 26],
  );
});

test('one that falls silent is replaced within its store; if it comes back in time it stays', () => {
  const { send, clock, asked, open, from } = viewer([A, B]);
  send(A, 0, 40, { start: true });
  clock.pass(350);
  assert.deepEqual(asked(), [A, B, B]);
  send(B, 25, 48, { start: true });
  assert.deepEqual(from, [A, B]);
  assert.deepEqual(open(), [B]);

  const hiccup = viewer([A, B]);
  hiccup.send(A, 0, 40, { start: true });
  hiccup.clock.pass(350);
  hiccup.send(A, 41, 50);
  assert.deepEqual(hiccup.from, [A]);
  assert.deepEqual(hiccup.open(), [A]);
  // Next time it is not suspected so soon.
  hiccup.clock.pass(350);
  assert.deepEqual(hiccup.open(), [A]);
  hiccup.clock.pass(300);
  assert.deepEqual(hiccup.open(), [A, B]);
});

test('a class that is silent on every server is not asked for all the time', () => {
  const { send, clock, asked, open, failures } = viewer([A, B]);
  send(A, 0, 40, { start: true });
  for (let step = 0; step < 600; step += 1) clock.pass(100);
  assert.ok(asked().length >= 3 && asked().length < 14, `${asked().length} connections in a minute`);
  assert.ok(open().includes(A));
  assert.deepEqual(failures, []);
});

test('a server that failed is not asked again while there are others', () => {
  const { send, latest, clock, asked } = viewer([A, B, C]);
  send(A, 0, 5, { start: true });
  latest(A).events.failed({ kind: 'network' });
  assert.deepEqual(asked().slice(3), [B, C]);
  send(B, 0, 8, { start: true });
  clock.pass(10);
  latest(B).events.failed({ kind: 'network' });
  assert.deepEqual(asked().slice(5), [C]);
});

test('a server that counts from zero goes on at a key frame, moved to where we are', () => {
  const { send, latest, pictures } = viewer([A, B]);
  const zeroMs = 2_000 * FRAME_MS;
  send(A, 2_000, 2_010, { start: true });
  latest(A).events.failed({ kind: 'network' });
  send(B, 2_000, 2_020, { start: true, zeroMs });
  const times = pictures().map(({ timestampMs }) => timestampMs);
  assert.ok(
    times.every((time, index) => index === 0 || time > times[index - 1]!),
    'time never goes back',
  );
  assert.ok(times[11]! - times[10]! < 100);
  assert.equal(pictures()[11]!.kind, 'key');
});

test('a server that lags is not waited for: its own clock is taken instead', () => {
  const { send, latest, pictures, clock } = viewer([A, B]);
  send(A, 0, 250, { start: true });
  latest(A).events.failed({ kind: 'network' });
  send(B, 0, 20, { start: true });
  assert.equal(pictures().length, 251);
  clock.pass(1_600);
  send(B, 21, 60);
  const times = pictures().map(({ timestampMs }) => timestampMs);
  assert.ok(times.length > 251);
  assert.ok(times.every((time, index) => index === 0 || time > times[index - 1]!));
});

test('when nobody is left, the reason of the one that played is told', () => {
  const { send, latest, failures, open } = viewer([A, B]);
  send(A, 0, 3, { start: true });
  latest(A).events.failed({ kind: 'ended' });
  latest(B).events.failed({ kind: 'refused', status: 404 });
  assert.deepEqual(failures, [{ kind: 'ended' }]);
  assert.deepEqual(open(), []);
});

test('what is no FLV is passed over', () => {
  const { latest, send, from } = viewer([A, B]);
  latest(A).events.bytes(new TextEncoder().encode('<!doctype html><title>Sign in to this Wi-Fi</title>'));
  send(B, 0, 0, { start: true });
  assert.deepEqual(from, [B]);
});

test('closing leaves no connection and no timer', () => {
  const { race, open, clock, send } = viewer([A, B], C);
  send(A, 0, 3, { start: true });
  clock.pass(350);
  race.close();
  assert.deepEqual(open(), []);
  assert.equal(clock.pending, 0);
});

test('a single server is never asked twice at once', () => {
  const { send, clock, asked } = viewer([A]);
  send(A, 0, 3, { start: true });
  clock.pass(20_000);
  assert.deepEqual(asked(), [A]);
});
