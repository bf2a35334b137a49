// Bad input and faults, from outside, against the whole: each gets a clear, coded answer, and the class
// alongside it does not notice. The classes are sent as RTP, without a browser.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lesson, Recording, TicketIssued } from '#shared/contract/rest.ts';
import { MAX_CHAT_LENGTH } from '#shared/contract/features/chat.ts';
import { Person } from '../integration/sfu/world.ts';
import { probe } from '../support/av.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { mediaFile } from '../support/media-file.ts';
import { gatewayOf, putOnAir, type OnAir } from '../support/on-air.ts';
import { codeOf, pathOf, send } from '../support/raw-http.ts';
import { startRtpSource, VIDEO, type RtpSource } from '../support/rtp-source.ts';
import { Witness } from '../support/witness.ts';

const RESUME_MS = 4_000;
/** A viewer who gets nothing for longer than this noticed what others did. */
const NOTICED_MS = 2_500;
const TITLE = '<img src=x onerror="alert(1)"> & „Zellen“';

/** A small class of its own size, so that it cannot be taken for another. */
const smallClass = (width: number, height: number) =>
  mediaFile(
    `class-${width}x${height}`,
    `-f lavfi -i testsrc2=size=${width}x${height}:rate=15 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 30 ` +
      '-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -x264-params repeat-headers=1 -g 15 ' +
      '-b:v 200k -pix_fmt yuv420p -c:a libopus -ac 1 -b:a 32k',
  );

describe('trouble', () => {
  let lectern: Lectern;
  let gateway: string;
  let sources: RtpSource[] = [];
  let lesson: Lesson;
  let other: Lesson;
  let air: OnAir;
  let otherAir: OnAir;
  let witness: Witness;
  let segment: string;
  let signature: string;

  before(async () => {
    lectern = await startLectern({ LECTERN_RESUME_MS: String(RESUME_MS) });
    gateway = gatewayOf(lectern);
    sources = [await startRtpSource(smallClass(320, 180)), await startRtpSource(smallClass(256, 192))];
    const [first, second] = sources;
    assert.ok(first !== undefined && second !== undefined);
    [lesson, other] = [await lectern.startClass(TITLE), await lectern.startClass('Another class')];
    air = await putOnAir(lectern, lesson, first, 'trouble23456');
    otherAir = await putOnAir(lectern, other, second, 'trouble34567');
    witness = new Witness(lesson.play.flv);
    await eventually('the witness sees something', () => witness.bytes > 0);
    signature = new URL(lesson.play.hls).search;
    segment = await firstOf(lesson.play.hls);
  });
  after(async () => {
    witness.leave();
    for (const source of sources) await source.close();
    await lectern.stop();
  });

  /** A segment of what is on air. */
  async function firstOf(playlist: string): Promise<string> {
    const next = async (address: string, ending: RegExp) => {
      const line = (await (await fetch(address)).text())
        .split('\n')
        .find((one) => !one.startsWith('#') && ending.test(one));
      assert.ok(line !== undefined, address);
      return new URL(line, address).href;
    };
    return next(await next(playlist, /v\d\.m3u8/), /\.m4s/);
  }

  async function ticketFor({ id, links }: Lesson, role: 'teacher' | 'student'): Promise<string> {
    const invite = new URLSearchParams(new URL(links[role]).hash.slice(1)).get('invite');
    const response = await fetch(`${lectern.url}/api/v1/lessons/${id}/tickets`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ invite }),
    });
    assert.equal(response.status, 200);
    return ((await response.json()) as TicketIssued).ticket;
  }

  async function join(at: Lesson, role: 'teacher' | 'student', name: string): Promise<Person> {
    const person = await Person.connect(lectern.url, await ticketFor(at, role));
    await person.enter(name);
    return person;
  }

  it('shows each of two classes to its own audience only', async () => {
    for (const [{ play }, width] of [
      [lesson, 320],
      [other, 256],
    ] as const) {
      for (const address of [play.flv, play.hls, play.rtmp]) {
        const { streams } = await probe(address);
        const widths = streams.filter(({ type }) => type === 'video').map((stream) => stream.width);
        assert.deepEqual([...new Set(widths)], [width], address);
      }
    }
  });

  it('answers tricks with paths in JSON, through the door and on the port for CDNs', async () => {
    const { channel } = lesson;
    const tricks: [string, string[]][] = [
      [`/live/${channel}/../${channel}/index.m3u8`, ['bad-request', 'not-found']],
      [`/live/${channel}/..%2f..%2fsecrets.json`, ['bad-request', 'not-found']],
      [`/live/${channel}\\index.m3u8`, ['bad-request', 'not-found']],
      [`http://elsewhere.example/live/${channel}.flv`, ['bad-request', 'not-found']],
      [`/live//${channel}.flv`, ['not-found']],
      [`/live/${channel}/index.m3u8%00`, ['not-found']],
      [`/live/${channel}/trouble23456/recording.json`, ['not-found']],
      [`/live/${channel}/trouble23456/999999-camera0.m4s`, ['not-found']],
      [`/live/${channel}/trouble34567/1-camera0.m4s`, ['not-live', 'not-found']],
      [`/live/${'a'.repeat(12)}.flv`, ['signature-invalid']],
      [`/replay/trouble34567/index.m3u8`, ['signature-invalid']],
      [`/live/${'a'.repeat(9_000)}.flv`, ['too-large']],
    ];
    for (const origin of [lectern.url, gateway]) {
      for (const [path, codes] of tricks) {
        const answer = await send(origin, path + signature);
        assert.ok(answer.status >= 400 && answer.status < 500, path);
        assert.ok(codes.includes(codeOf(answer)), `${path}: ${answer.body}`);
      }
    }
  });

  it('keeps what services say to each other, and their figures, from the outside', async () => {
    assert.equal(codeOf(await send(lectern.url, '/internal/recordings')), 'not-found');
    assert.equal(codeOf(await send(gateway, '/internal/recordings')), 'unauthorized');
    const wrong = { authorization: 'Bearer wrong' };
    const erase = { method: 'DELETE', headers: wrong };
    assert.equal(codeOf(await send(gateway, `/internal/channels/${lesson.channel}`, erase)), 'unauthorized');
    const outside = { headers: { 'x-forwarded-for': '203.0.113.9' } };
    for (const origin of [lectern.url, gateway]) {
      assert.equal((await send(origin, '/metrics')).status, 200);
      assert.equal(codeOf(await send(origin, '/metrics', outside)), 'not-found');
    }
  });

  it('takes GET, HEAD and OPTIONS for media, and says so to who tries another', async () => {
    for (const address of [lesson.play.hls, lesson.play.flv, segment]) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE']) {
        const answer = await send(lectern.url, pathOf(address), { method });
        assert.equal(answer.status, 405);
        assert.equal(codeOf(answer), 'method-not-allowed');
        assert.match(answer.headers.allow ?? '', /GET, HEAD/);
      }
      const head = await send(lectern.url, pathOf(address), { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.body, '');
    }
  });

  it('lets pages of other origins play: playlists, segments, refusals and questions before', async () => {
    const [path, bare] = [pathOf(segment), pathOf(segment).replace(/\?.*/, '')];
    const from = { origin: 'https://elsewhere.example' };
    for (const [target, status, extra] of [
      [pathOf(lesson.play.hls), 200, {}],
      [path, 200, {}],
      [path, 206, { range: 'bytes=0-9' }],
      [path, 416, { range: 'bytes=99999999-' }],
      [bare, 403, {}],
    ] as const) {
      const answer = await send(lectern.url, target, { headers: { ...from, ...extra } });
      assert.equal(answer.status, status);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
    }
    const before = await send(lectern.url, path, {
      method: 'OPTIONS',
      headers: { ...from, 'access-control-request-method': 'GET', 'access-control-request-headers': 'range' },
    });
    assert.equal(before.status, 204);
    assert.match(before.headers['access-control-allow-headers'] ?? '', /range/i);
  });

  it('refuses a WebSocket to a wrong path, and one without a signature, before any byte of media', async () => {
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    for (const [path, code] of [
      [`/live/${lesson.channel}/index.m3u8${signature}`, 'not-found'],
      [`/live/nothing.flv${signature}`, 'not-found'],
      [`/live/${lesson.channel}.flv`, 'signature-missing'],
      [pathOf(other.play.flv).replace(other.channel, lesson.channel), 'signature-invalid'],
      ['/api/v1/lessons', 'not-found'],
      ['/internal/recordings', 'not-found'],
    ] as const) {
      assert.equal(codeOf(await send(lectern.url, path, { headers: upgrade })), code, path);
    }
  });

  it('is not held up by heads that are too long or never end', async () => {
    const long = await send(lectern.url, '/', { headers: { 'x-long': 'x'.repeat(40_000) } });
    assert.equal(long.status, 431);
    const { hostname, port } = new URL(lectern.url);
    const slow = Array.from({ length: 200 }, () => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      socket.write('GET / HTTP/1.1\r\nHost: slow\r\nX-');
      return socket;
    });
    const started = performance.now();
    assert.equal((await fetch(lectern.url)).status, 200);
    assert.ok((await fetch(lesson.play.hls)).ok);
    assert.ok(performance.now() - started < 3_000);
    for (const socket of slow) socket.destroy();
  });

  it('drops malformed data on the port for RTP, also such as looks like the class', async () => {
    const { ingest } = await otherAir.status();
    const stranger = createSocket('udp4');
    const fake = Buffer.alloc(200);
    fake.writeUInt8(0x80, 0);
    fake.writeUInt8(VIDEO.payloadType, 1);
    fake.writeUInt32BE(VIDEO.ssrc, 8);
    const bye = Buffer.from([0x81, 203, 0, 1, 0, 0, 0x11, 0x11]);
    for (let n = 0; n < 600; n += 1) {
      fake.writeUInt16BE(n * 97, 2);
      for (const packet of [fake, bye, Buffer.alloc(n % 60, n), Buffer.of(0xbf, 0xff, 0xff)]) {
        stranger.send(packet, ingest.port, ingest.ip);
      }
    }
    await sleep(500);
    stranger.close();
    const figures = (await send(gateway, '/metrics')).status;
    assert.equal(figures, 200);
    assert.equal((await otherAir.status()).state, 'live');
  });

  it('lets nobody into a room with a ticket that is none, or for nothing', async () => {
    const good = await ticketFor(lesson, 'student');
    const [head, body = ''] = good.split('.');
    const teacher = Buffer.from(
      Buffer.from(body, 'base64url').toString().replace('"student"', '"teacher"'),
    ).toString('base64url');
    for (const ticket of ['', 'x', 'a.b.c', `${head}.${teacher}.${good.split('.')[2]}`]) {
      await assert.rejects(Person.connect(lectern.url, ticket), /ticket-invalid/);
    }
    await assert.rejects(Person.connect(lectern.url, 'x'.repeat(5_000)), /bad-request/);
  });

  it('gives one broadcast to who presses twice, and another to who stops and goes live again', async () => {
    const quiet = await lectern.startClass('A quick hand');
    const teacher = await join(quiet, 'teacher', 'Maria');
    const twice = await Promise.all([teacher.ask('broadcast:start', {}), teacher.ask('broadcast:start', {})]);
    const [first, again] = twice.map(({ broadcast }) => broadcast.id);
    assert.equal(first, again);
    for (let n = 0; n < 2; n += 1) {
      assert.equal((await teacher.ask('broadcast:stop', {})).broadcast.state, 'ended');
    }
    const { broadcast } = await teacher.ask('broadcast:start', {});
    assert.notEqual(broadcast.id, first);
    await sleep(1_500);
    const { state } = await teacher.fact('broadcast:changed', ({ id }) => id === broadcast.id);
    assert.equal(state, 'starting', 'the end of the first does not end the second');
    teacher.leave();
  });

  it('ends a class twice without harm, and what nobody sent has nothing to download', async () => {
    const quiet = await lectern.startClass('Nothing to see');
    const teacher = await join(quiet, 'teacher', 'Maria');
    await teacher.ask('broadcast:start', {});
    await sleep(1_500);
    const end = () => lectern.api('POST', `/lessons/${quiet.id}/end`) as Promise<Lesson>;
    const ended = await Promise.all([end(), end()]);
    for (const { state } of [...ended, await end()]) assert.equal(state, 'ended');
    assert.equal((await teacher.fact('room:closed')).reason, 'ended');
    await assert.rejects(join(quiet, 'student', 'Late'));
    const [recording] = (await lectern.api('GET', `/recordings?lesson=${quiet.id}`)) as Recording[];
    assert.deepEqual(recording?.files ?? [], []);
  });

  it('carries every script and sign in the chat as it was written, and nothing invisible', async () => {
    const [writer, reader] = [
      await join(lesson, 'student', '  Ada\u202e '),
      await join(lesson, 'student', 'Bo'),
    ];
    assert.equal(writer.joined?.you.name, 'Ada');
    const texts = [
      'مرحبا بكم',
      'שלום \u202eabc',
      '👩‍👩‍👧‍👦 🇩🇪',
      '<img src=x onerror=alert(1)>',
      'a\n\tb',
      'x'.repeat(MAX_CHAT_LENGTH),
    ];
    for (const [n, text] of texts.entries()) {
      await writer.ask('chat:send', { id: `text-${n}`, text });
      const { text: read } = await reader.fact('chat:posted', ({ id }) => id === `text-${n}`);
      assert.equal(read, text);
    }
    const { message } = await writer.ask('chat:send', { id: 'odd', text: 'a\u0000b\u001b[31m\ud83d' });
    assert.equal(message.text, 'ab[31m');
    for (const text of ['', '  ', '\u200b\u200d', '\u0000', 'x'.repeat(MAX_CHAT_LENGTH + 1)]) {
      await assert.rejects(writer.ask('chat:send', { id: 'refused', text }), /bad-request/);
    }
    for (const person of [writer, reader]) person.leave();
  });

  it('lets hundreds come and go, one after another', async () => {
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let n = 0; n < 20; n += 1) {
        const ticket = await ticketFor(other, 'student');
        for (const how of ['said', 'lost'] as const) {
          const person = await Person.connect(lectern.url, ticket);
          await person.enter(`Student ${lane}`);
          if (how === 'said') await person.ask('room:leave', {});
          person.leave();
        }
      }
    });
    await Promise.all(lanes);
  });

  it('holds a viewer’s place who reads nothing, and the others read on', async () => {
    const { hostname, port } = new URL(gateway);
    const stalled = connect(Number(port), hostname);
    stalled.on('error', () => undefined);
    stalled.write(`GET ${pathOf(lesson.play.flv)} HTTP/1.1\r\nHost: stalled\r\n\r\n`);
    stalled.pause();
    const bytes = witness.bytes;
    await sleep(2_000);
    assert.ok(witness.bytes > bytes);
    stalled.destroy();
  });

  it('deletes a class that is live, with its media, and leaves the other as it was', async () => {
    await lectern.api('DELETE', `/lessons/${other.id}`);
    for (const address of [other.play.flv, other.play.hls, other.play.dvr]) {
      // Revoked: a signature for a class that is no more opens nothing again.
      assert.equal(codeOf(await send(lectern.url, pathOf(address))), 'signature-invalid');
    }
    await assert.rejects(lectern.api('GET', `/lessons/${other.id}`), /not-found/);
    assert.equal((await otherAir.status()).state, 'ended', 'a late feed does not bring it back');
    otherAir.vanish();
  });

  it('was noticed by nobody who watched', () => {
    assert.ok(!witness.gone, 'the witness was cut off');
    assert.ok(witness.longestMs < NOTICED_MS, `the witness got nothing for ${witness.longestMs} ms`);
  });

  it('ends by itself when the teacher is gone for long, and is a replay at once', async (t) => {
    air.vanish();
    const recording = await eventually('the recording is ready', async () => {
      const [first] = (await lectern.api('GET', `/recordings?lesson=${lesson.id}`)) as Recording[];
      return first?.state === 'ready' && first;
    });
    await eventually('the witness is let go', () => witness.gone);
    t.diagnostic(`${recording.durationMs} ms are recorded`);
    const mp4 = recording.files.find(({ format }) => format === 'mp4');
    assert.ok(mp4 !== undefined);
    const { durationS } = await probe(mp4.url);
    assert.ok(Math.abs(durationS * 1_000 - recording.durationMs) < 1_500);
    const playlist = await (await fetch(recording.hls)).text();
    assert.match(playlist, /^#EXTM3U/);
    const { headers } = await send(lectern.url, pathOf(mp4.url), { method: 'HEAD' });
    const name = headers['content-disposition'] ?? '';
    assert.match(name, /^attachment; filename="[^"<>]+"; filename\*=UTF-8''[\w.%~!*-]+$/);

    const etag = headers.etag ?? '';
    const get = (extra: Record<string, string>) =>
      send(lectern.url, pathOf(mp4.url), { method: 'HEAD', headers: extra });
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      assert.equal((await get({ 'if-none-match': known })).status, 304);
    }
    const size = Number(headers['content-length']);
    for (const [range, status, what] of [
      ['bytes=0-0', 206, `bytes 0-0/${size}`],
      ['bytes=-1', 206, `bytes ${size - 1}-${size - 1}/${size}`],
      [`bytes=-${size * 2}`, 206, `bytes 0-${size - 1}/${size}`],
      [`bytes=${size}-`, 416, `bytes */${size}`],
      ['bytes=-0', 416, `bytes */${size}`],
      ['bytes=0-1,4-5', 200, undefined],
      ['lines=0-1', 200, undefined],
    ] as const) {
      const answer = await get({ range });
      assert.equal(answer.status, status, range);
      assert.equal(answer.headers['content-range'], what, range);
    }
    assert.equal((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).status, 200);
  });

  it('wrote no error and no secret into its log', () => {
    const serious = lectern.log.filter(({ level }) => level === 'error' || level === 'fatal');
    assert.deepEqual(serious, []);
    const spoken = JSON.stringify(lectern.log.filter(({ msg }) => msg !== 'ready'));
    for (const secret of [lectern.apiKey, new URLSearchParams(signature).get('sign') ?? '', 'eyJhbGciOi']) {
      assert.ok(!spoken.includes(secret));
    }
  });
});
