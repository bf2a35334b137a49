// Offers as browsers and programs write them, and as nobody should.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { writeAnswer, type TransportEnd } from '../../../sfu/sdp/answer.ts';
import { readFragment, writeFragment } from '../../../sfu/sdp/fragment.ts';
import { readOffer, rtxOf, usableCodec, type Offer } from '../../../sfu/sdp/offer.ts';
import { iceServerLinks } from '../../../sfu/whip/links.ts';
import { CHROMIUM_OFFER, FINGERPRINT, OBS_OFFER, spoiler } from './offers.ts';

const end: TransportEnd = {
  ice: { ufrag: 'server', pwd: 'passwordpasswordpassword' },
  candidates: [
    {
      foundation: 'udp',
      component: 1,
      transport: 'udp',
      priority: 1_076_302_079,
      ip: '192.0.2.1',
      port: 44_400,
      type: 'host',
    },
  ],
  fingerprint: { algorithm: 'sha-256', value: FINGERPRINT },
};

const refused = (text: string, pattern = /SDP/) =>
  assert.throws(
    () => readOffer(text),
    (error) => error instanceof LecternError && error.code === 'bad-request' && pattern.test(error.message),
  );
const video = (offer: Offer) => offer.sections.find(({ kind }) => kind === 'video') ?? assert.fail();

describe('an offer', () => {
  test('of OBS says what it sends', () => {
    const offer = readOffer(OBS_OFFER);
    assert.deepEqual(offer.ice, { ufrag: 'aBcD', pwd: 'aBcDeFgHiJkLmNoPqRsTuVwX' });
    assert.equal(offer.dtls, 'client opens');
    assert.equal(offer.fingerprint.value, FINGERPRINT);
    const [audio, picture] = offer.sections;
    assert.equal(audio && usableCodec(audio)?.payloadType, 111);
    assert.equal(picture && usableCodec(picture)?.payloadType, 96);
    assert.deepEqual(picture?.ssrc, { media: 2_222_222_222, rtx: 2_222_222_223 });
    assert.equal(picture && rtxOf(picture, 96)?.payloadType, 97);
    assert.deepEqual(
      offer.sections.map(({ direction, usable }) => [direction, usable]),
      [
        ['sendonly', true],
        ['sendonly', true],
      ],
    );
  });

  test('of Chromium is taken in the profile that the room speaks, wherever it stands', () => {
    const section = video(readOffer(CHROMIUM_OFFER));
    const codec = usableCodec(section) ?? assert.fail();
    assert.match(codec.fmtp, /packetization-mode=1.*profile-level-id=42e01f/);
    assert.equal(usableCodec(section, 'vp8')?.name, 'vp8');
  });

  test('without packetization mode 1 is taken in VP8, or not at all', () => {
    const plain = CHROMIUM_OFFER.replaceAll('packetization-mode=1', 'packetization-mode=0');
    assert.equal(usableCodec(video(readOffer(plain)))?.name, 'vp8');
    assert.equal(usableCodec(video(readOffer(plain)), 'h264'), undefined);
    assert.equal(usableCodec(video(readOffer(plain.replaceAll('VP8/', 'AV1/')))), undefined);
  });

  test('may have its transport at the session, lines without CR, and any case', () => {
    const session = [
      'a=setup:active',
      `a=fingerprint:SHA-256 ${FINGERPRINT.toLowerCase()}`,
      'a=ice-ufrag:1234',
      'a=ice-pwd:123456789012345678901234',
    ];
    const moved = OBS_OFFER.replace(/^a=(setup|fingerprint|ice-ufrag|ice-pwd).*\r\n/gm, '')
      .replace('t=0 0\r\n', `t=0 0\r\n${session.join('\r\n')}\r\n`)
      .replaceAll('\r\n', '\n');
    const offer = readOffer(moved);
    assert.deepEqual(offer.ice, { ufrag: '1234', pwd: '123456789012345678901234' });
    assert.equal(offer.fingerprint.value, FINGERPRINT);
  });

  test('that waits for the server has DTLS opened by it', () => {
    assert.equal(readOffer(OBS_OFFER.replaceAll('setup:actpass', 'setup:passive')).dtls, 'server opens');
  });

  test('names simulcast layers', () => {
    const rids = 'a=rid:q send\r\na=rid:f send\r\na=simulcast:send q;f\r\na=mid:1\r\n';
    assert.deepEqual(video(readOffer(OBS_OFFER.replace('a=mid:1\r\n', rids))).rids, ['q', 'f']);
  });

  test('that is none is refused with the reason', () => {
    refused('');
    refused('v=0');
    refused('hello', /v=0/);
    refused('v=0\r\nnonsense\r\n', /line 2/);
    refused(OBS_OFFER.replaceAll(/a=ice-ufrag.*\r\n/g, ''), /ICE/);
    refused(OBS_OFFER.replaceAll(/a=fingerprint.*\r\n/g, ''), /fingerprint/);
    refused(OBS_OFFER.replaceAll(/a=mid.*\r\n/g, ''), /mid/);
    refused(OBS_OFFER.replaceAll('a=mid:1', 'a=mid:0'), /one mid/);
    refused(OBS_OFFER.replaceAll('sha-256', 'md5'));
    refused(OBS_OFFER.replaceAll('a=setup:actpass', 'a=setup:holdconn'), /holdconn/);
    refused(`${OBS_OFFER}${'a=x\r\n'.repeat(3_000)}`, /too many/);
    refused(`${OBS_OFFER}a=${'x'.repeat(3_000)}\r\n`, /line/);
    refused(`v=0\r\n${'m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n'.repeat(17)}`);
  });

  test('is read or refused, whatever is changed in it', () => {
    const spoil = spoiler(7);
    let read = 0;
    const started = performance.now();
    for (let round = 0; round < 4_000; round += 1) {
      const text = spoil(round % 2 === 0 ? OBS_OFFER : CHROMIUM_OFFER);
      try {
        const offer = readOffer(text);
        const accepted = offer.sections.flatMap((section) => {
          const codec = usableCodec(section);
          return codec === undefined
            ? []
            : [
                {
                  mid: section.mid,
                  direction: 'recvonly' as const,
                  codecs: [codec],
                  feedback: [],
                  extensions: [],
                },
              ];
        });
        const answer = writeAnswer(offer, '1', end, accepted);
        assert.equal(answer.split('\r\nm=').length - 1, offer.sections.length);
        read += 1;
      } catch (error) {
        assert.ok(error instanceof LecternError && error.code === 'bad-request', String(error));
      }
    }
    assert.ok(read > 100, `${read} of 4,000 are still offers`);
    assert.ok(performance.now() - started < 60_000);
  });
});

describe('an answer', () => {
  test('has every section of the offer, and rejects what is not taken', () => {
    const offer = readOffer(OBS_OFFER);
    const [, picture] = offer.sections;
    const codec = (picture && usableCodec(picture)) ?? assert.fail();
    const answer = writeAnswer(offer, '42', end, [
      {
        mid: '1',
        direction: 'recvonly',
        codecs: [codec],
        feedback: [{ type: 'nack', parameter: 'pli' }, { type: 'nack' }],
        extensions: [{ id: 3, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' }],
      },
    ]);
    const sections = answer.split(/\r\n(?=m=)/);
    assert.equal(sections.length, 3);
    const [session = '', audio = '', video = ''] = sections;
    assert.match(session, /^v=0\r\no=- 42 1 IN IP4 127\.0\.0\.1\r\n/);
    assert.match(session, /a=ice-lite/);
    assert.match(session, /a=group:BUNDLE 1$/m);
    assert.match(audio, /^m=audio 0 UDP\/TLS\/RTP\/SAVPF 111\r\n/);
    assert.match(video, /^m=video 9 UDP\/TLS\/RTP\/SAVPF 96\r\n/);
    for (const line of [
      'a=mid:1',
      'a=recvonly',
      'a=setup:passive',
      'a=rtcp-mux',
      `a=fingerprint:sha-256 ${FINGERPRINT}`,
      'a=ice-ufrag:server',
      'a=candidate:udp 1 udp 1076302079 192.0.2.1 44400 typ host',
      'a=end-of-candidates',
      'a=rtpmap:96 H264/90000',
      'a=rtcp-fb:96 nack pli',
      'a=rtcp-fb:96 nack',
      'a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid',
    ]) {
      assert.ok(video.split('\r\n').includes(line), `${line} in\n${video}`);
    }
  });
});

describe('a fragment', () => {
  test('names credentials, or only candidates', () => {
    assert.deepEqual(readFragment('a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n'), {
      ufrag: 'EsAw',
      pwd: 'P2uYro0UCOQ4zxjKXaWCBui1',
    });
    const trickle =
      'a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n' +
      'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=candidate:1 1 UDP 2 192.0.2.7 5000 typ host\r\na=end-of-candidates\r\n';
    assert.equal(readFragment(trickle).ufrag, 'EsAw');
    assert.deepEqual(readFragment('a=end-of-candidates\r\n'), {});
    assert.throws(() => readFragment('no lines of SDP'), { code: 'bad-request' });
  });

  test('that answers a restart has the new credentials and no session lines', () => {
    const text = writeFragment(end.ice, '0', end.candidates);
    assert.deepEqual(readFragment(text), end.ice);
    assert.doesNotMatch(text, /^[vost]=/m);
    assert.match(text, /^m=audio 9 .*\r\na=mid:0\r\n/m);
  });
});

describe('ICE servers', () => {
  test('are told as Link', () => {
    assert.deepEqual(
      iceServerLinks('stun:stun.example.org, turn:turn.example.org?transport=udp user secret'),
      [
        '<stun:stun.example.org>; rel="ice-server"',
        '<turn:turn.example.org?transport=udp>; rel="ice-server"; username="user"; credential="secret"; credential-type="password"',
      ],
    );
    assert.deepEqual(iceServerLinks(''), []);
  });

  test('that are none stop the start with a sentence', () => {
    for (const wrong of ['http://example.org', 'stun:a"b', 'turn:x a b c']) {
      assert.throws(() => iceServerLinks(wrong), /LECTERN_ICE_SERVERS/);
    }
  });
});
