// The programme for WHEP players: one stream out of many sources, one voice at a time, and who may watch.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { pino } from 'pino';
import { LecternError } from '#shared/contract/errors.ts';
import { parseRtp } from '#shared/media/rtp.ts';
import { Splice } from '../../../sfu/media/audience/splice.ts';
import { Voices } from '../../../sfu/media/audience/voices.ts';
import { Audience, MAX_VIEWERS } from '../../../sfu/room/features/broadcast/audience.ts';
import type { RoomMedia } from '../../../sfu/room/ports.ts';
import { MAX_SILENCE_MS, RETRY_MS, type Ask } from '../../../sfu/room/features/broadcast/revalidation.ts';
import { readOffer } from '../../../sfu/sdp/offer.ts';
import { ask, refuses, settle, TestClass, TestMedia } from './class.ts';
import { CHROMIUM_OFFER } from './offers.ts';

const packet = (sequence: number, timestamp: number, text = 'x') => ({
  payloadType: 101,
  marker: true,
  sequence,
  timestamp,
  ssrc: 7,
  extension: undefined,
  payload: Buffer.from(text),
});
const read = (bytes: Buffer | null) => parseRtp(bytes ?? assert.fail()) ?? assert.fail();

describe('a splice', () => {
  const splice = () =>
    new Splice({ ssrc: 1, clockRate: 90_000, sequence: 65_534, timestamp: 2 ** 32 - 3_000 });

  test('goes on with numbers and clock over a change of source and over their wraps', () => {
    const one = splice();
    const first = read(one.rewritePacket('camera', packet(100, 5_000), 96, 1_000));
    const second = read(one.rewritePacket('camera', packet(101, 8_000), 96, 1_033));
    assert.deepEqual([first.sequence, second.sequence], [65_535, 0]);
    assert.equal((second.timestamp - first.timestamp) >>> 0, 3_000);
    const third = read(one.rewritePacket('screen', packet(40_000, 3_999_999_999), 96, 1_133));
    assert.equal(third.sequence, 1);
    assert.equal((third.timestamp - second.timestamp) >>> 0, 9_000, 'a tenth of a second later, as it was');
  });

  test('keeps gaps and order within a source, and drops what is from before the change', () => {
    const one = splice();
    one.rewritePacket('a', packet(10, 0), 96, 0);
    const later = read(one.rewritePacket('a', packet(13, 9_000), 96, 100));
    const lost = read(one.rewritePacket('a', packet(12, 6_000), 96, 101));
    assert.equal((later.sequence - lost.sequence) & 0xffff, 1);
    const next = read(one.rewritePacket('b', packet(500, 77), 96, 200));
    assert.equal((next.sequence - later.sequence) & 0xffff, 1);
    assert.equal(one.rewritePacket('b', packet(499, 76), 96, 201), null);
  });

  test('knows its clock by the packets that were least late', () => {
    const one = splice();
    assert.equal(one.report(), undefined);
    let last = 0;
    for (let frame = 0; frame < 300; frame += 1) {
      const lateMs = frame % 7 === 0 ? 0 : 25;
      const bytes = one.rewritePacket(
        'a',
        packet(frame, frame * 3_000),
        96,
        10_000 + (frame * 1_000) / 30 + lateMs,
      );
      last = read(bytes).timestamp;
    }
    const report = one.report() ?? assert.fail();
    assert.equal(report.timestamp, last);
    assert.ok(Math.abs(report.wallMs - (10_000 + (299 * 1_000) / 30)) < 1, `${report.wallMs}`);
  });
});

describe('voices', () => {
  const loud = 20;
  const quiet = 100;

  test('the one that speaks goes out, without being cut off by a cough', () => {
    const voices = new Voices();
    voices.set(['teacher', 'student']);
    assert.equal(voices.hear('teacher', loud, 0), true);
    assert.equal(voices.hear('student', loud, 20), false);
    assert.equal(voices.hear('teacher', quiet, 500), true);
    assert.equal(voices.hear('student', loud, 1_000), true);
    assert.equal(voices.hear('teacher', quiet, 1_010), false);
    assert.equal(voices.hear('student', quiet, 1_500), true);
    assert.equal(voices.hear('teacher', quiet, 2_500), true, 'silence is the most important one’s');
  });

  test('an encoder is heard while nobody speaks', () => {
    const voices = new Voices();
    voices.set(['encoder', 'teacher']);
    assert.equal(voices.hear('encoder', undefined, 0), true);
    assert.equal(voices.hear('teacher', quiet, 10), false);
    assert.equal(voices.hear('teacher', loud, 20), true);
    assert.equal(voices.hear('encoder', undefined, 30), false);
    assert.equal(voices.hear('encoder', undefined, 2_000), true);
    voices.set(['teacher']);
    assert.equal(voices.hear('encoder', undefined, 2_010), false, 'it is no part of the programme now');
    assert.equal(voices.hear('teacher', quiet, 2_020), true);
  });
});

describe('the audience', () => {
  const offer = readOffer(CHROMIUM_OFFER);
  let media: TestMedia;
  let room: RoomMedia;
  let audience: Audience;
  const sources = [{ producerId: 'p', source: 'camera' }] as const;
  beforeEach(async () => {
    media = new TestMedia();
    room = await media.openRoom('room', () => {});
    audience = new Audience(pino({ level: 'silent' }), () => nowMs);
    nowMs = 0;
  });
  afterEach(() => audience.close());
  let nowMs = 0;
  const allowed = async () => ({ allow: true, code: null });

  test('sees nothing before there is something, then what the programme is', async () => {
    await refuses('not-live', () => audience.watch(offer, allowed, () => {}));
    audience.show(sources, room);
    await audience.watch(offer, allowed, () => {});
    assert.deepEqual(media.audience.programme, ['camera']);
    audience.show([{ producerId: 'q', source: 'screen' }], room);
    await settle();
    assert.deepEqual(media.audience.programme, ['screen']);
    assert.equal(audience.size, 1);
  });

  test('is bounded, and those who do not connect give their seats up', async () => {
    audience.show(sources, room);
    const gone: number[] = [];
    media.audience.connects = false;
    for (let index = 0; index < MAX_VIEWERS; index += 1)
      await audience.watch(offer, allowed, () => gone.push(index));
    media.audience.connects = true;
    for (let index = 0; index < MAX_VIEWERS; index += 1) await audience.watch(offer, allowed, () => {});
    assert.equal(gone.length, MAX_VIEWERS);
    assert.equal(gone[0], 0, 'the one that came first goes first');
    assert.equal(audience.size, MAX_VIEWERS);
    await refuses('room-full', () => audience.watch(offer, allowed, () => {}));
  });

  test('is asked again when the rules change, and who may not stay goes alone', async () => {
    audience.show(sources, room);
    const gone: string[] = [];
    let permitted = true;
    const ask = async () => ({ allow: permitted, code: permitted ? null : ('signature-invalid' as const) });
    await audience.watch(offer, ask, () => gone.push('revoked'));
    await audience.watch(offer, allowed, () => gone.push('other'));
    audience.recheck();
    await settle();
    assert.deepEqual(gone, []);
    permitted = false;
    audience.recheck();
    await settle();
    assert.deepEqual(gone, ['revoked']);
    assert.equal(audience.size, 1);
  });

  test('is asked again when the answer runs out, and about a gateway that is silent for a while', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const pass = async (ms: number) => {
      nowMs += ms;
      t.mock.timers.tick(ms);
      await settle();
    };
    audience.show(sources, room);
    let answer: Ask = async () => ({ allow: true, code: null, untilMs: 60_000 });
    let asked = 0;
    let gone = 0;
    const ask: Ask = () => {
      asked += 1;
      return answer();
    };
    await audience.watch(offer, ask, () => (gone += 1));
    await settle();
    assert.equal(asked, 1, 'the rules may have changed while it was let in');
    await pass(60_000);
    assert.equal(asked, 1);
    answer = () => Promise.reject(new LecternError('service-unavailable'));
    await pass(100);
    assert.equal(asked, 2, 'once the signature has run out');
    for (let leftMs = MAX_SILENCE_MS - RETRY_MS; leftMs > 0; leftMs -= RETRY_MS) await pass(RETRY_MS);
    assert.equal(gone, 0, 'a gateway may be restarted');
    await pass(RETRY_MS);
    assert.equal(gone, 1, 'and has to come back');
    const before = asked;
    await pass(60_000);
    assert.equal(asked, before);
  });

  test('goes when the media move or the broadcast ends', async () => {
    audience.show(sources, room);
    let gone = 0;
    await audience.watch(offer, allowed, () => (gone += 1));
    audience.show(sources, await media.openRoom('room', () => {}));
    await settle();
    assert.equal(gone, 1);
    await audience.watch(offer, allowed, () => (gone += 1));
    audience.close();
    await settle();
    assert.equal(gone, 2);
    assert.equal(audience.size, 0);
  });

  test('is let in where the media are, though they move while it opens', async () => {
    audience.show(sources, room);
    let gone = 0;
    const opening = audience.watch(offer, allowed, () => (gone += 1));
    audience.show(sources, await media.openRoom('room', () => {}));
    const viewer = await opening;
    assert.equal(audience.size, 1);
    assert.equal(gone, 0);
    viewer.close();
    assert.equal(gone, 1);
  });

  test('is asked when the gateway says that its rules changed, and is counted', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const school = new TestClass();
    t.after(() => school.rooms.free());
    const teacher = await school.join('teacher1', 'teacher');
    await school.publish(teacher, 'camera');
    await ask(school.room(), teacher.peer, 'broadcast:start', {});
    const onAir = school.rooms.onAirAt('channel1') ?? assert.fail();
    assert.equal(school.rooms.onAirAt('channel2'), undefined);
    let asked = 0;
    await onAir.audience.watch(
      offer,
      () => {
        asked += 1;
        return allowed();
      },
      () => {},
    );
    const round = async () => {
      t.mock.timers.tick(1_000);
      for (let step = 0; step < 5; step += 1) await settle();
    };
    await round();
    await round();
    assert.equal(teacher.link.last('broadcast:changed')?.audience, 1);
    assert.equal(asked, 1);
    school.gateway.accessEpoch = 1;
    await round();
    assert.equal(asked, 2);
    await ask(school.room(), teacher.peer, 'broadcast:stop', {});
    await settle();
    assert.equal(school.rooms.onAirAt('channel1'), undefined);
    assert.equal(onAir.audience.size, 0);
  });
});
