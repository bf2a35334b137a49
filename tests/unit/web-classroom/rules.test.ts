// The pure rules of the classroom: layers, encodings, the word for the uplink, who stands where.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RtpCapabilities } from 'mediasoup-client/types';
import type { PeerView } from '#shared/contract/signalling.ts';
import { cameraEncodings, sendProfile, videoCodec } from '../../../web/engine/encodings.ts';
import { layerFor } from '../../../web/engine/layers.ts';
import type { RemoteMedia } from '../../../web/engine/subscriptions.ts';
import { judge, readUplink, UplinkJudge, type UplinkSample } from '../../../web/engine/uplink.ts';
import { arrange } from '../../../web/view/classroom/arrange.ts';
import { shortcutKey } from '../../../web/view/classroom/shortcut-key.ts';

describe('the layer for a tile', () => {
  const at = (widthPx: number, heightPx: number, layers = 3) => layerFor({ widthPx, heightPx }, layers);

  it('is the smallest that still looks sharp', () => {
    assert.equal(at(176, 99), 0);
    assert.equal(at(400, 225), 0);
    assert.equal(at(640, 360), 1);
    assert.equal(at(1_088, 780), 2);
    assert.equal(at(3_840, 2_160), 2);
  });

  it('goes by the side that bounds the picture', () => {
    assert.equal(at(320, 2_000), 0);
    assert.equal(at(2_000, 180), 0);
  });

  it('is never one that is not sent', () => {
    assert.equal(at(1_920, 1_080, 2), 1);
    assert.equal(at(1_920, 1_080, 1), 0);
  });

  it('is none while nothing can be seen', () => {
    assert.equal(layerFor('hidden', 3), null);
    assert.equal(at(0, 100), null);
  });
});

describe('what is sent', () => {
  it('has a layer for each halving that is worth looking at', () => {
    assert.deepEqual(
      cameraEncodings(720).map(({ scaleResolutionDownBy }) => scaleResolutionDownBy),
      [4, 2, 1],
    );
    assert.deepEqual(
      cameraEncodings(480).map(({ scaleResolutionDownBy }) => scaleResolutionDownBy),
      [2, 1],
    );
    assert.equal(cameraEncodings(240).length, 1);
  });

  it('sends a screen whole, its sound in stereo, and no sound with gaps', () => {
    assert.equal(sendProfile('screen').encodings?.length, 1);
    assert.equal(sendProfile('screen').contentHint, 'detail');
    assert.equal(sendProfile('screen-audio').codecOptions.opusDtx, false);
    assert.equal(sendProfile('microphone').codecOptions.opusDtx, false);
    assert.equal(sendProfile('screen-audio').codecOptions.opusStereo, true);
  });

  const codec = (mimeType: string, parameters = {}) => ({
    kind: 'video' as const,
    preferredPayloadType: 100,
    mimeType,
    clockRate: 90_000,
    parameters,
  });
  const h264 = (profile: string, mode: number) =>
    codec('video/H264', { 'profile-level-id': profile, 'packetization-mode': mode });
  const chosen = (codecs: RtpCapabilities['codecs']) => videoCodec({ codecs: codecs ?? [] });

  it('is H.264 in the profile that every player takes, wherever it stands in the list', () => {
    const wanted = h264('42e01f', 1);
    assert.equal(chosen([codec('video/VP8'), h264('640032', 1), h264('42e01f', 0), wanted]), wanted);
  });

  it('is VP8 in a browser without H.264, and nothing in one with neither', () => {
    assert.equal(chosen([codec('video/VP9'), codec('video/VP8')])?.mimeType, 'video/VP8');
    assert.equal(chosen([codec('video/AV1')]), undefined);
  });
});

describe('the word for the uplink', () => {
  const calm: UplinkSample = {
    connected: true,
    rttMs: 20,
    loss: 0,
    availableBps: 5_000_000,
    limitedBy: 'none',
  };

  it('is good on a calm line and poor without one', () => {
    assert.deepEqual(judge(calm, true), { health: 'good', cause: null });
    assert.deepEqual(judge({ ...calm, connected: false }, true), { health: 'poor', cause: 'network' });
  });

  it('goes by loss, by delay and by what is left for the picture', () => {
    assert.equal(judge({ ...calm, loss: 0.05 }, true).health, 'fair');
    assert.equal(judge({ ...calm, loss: 0.2 }, true).health, 'poor');
    assert.equal(judge({ ...calm, rttMs: 400 }, true).health, 'fair');
    assert.equal(judge({ ...calm, availableBps: 200_000 }, true).health, 'poor');
  });

  it('asks little of the line for a voice alone', () => {
    assert.equal(judge({ ...calm, availableBps: 200_000 }, false).health, 'good');
  });

  it('blames the computer for what the computer does', () => {
    assert.deepEqual(judge({ ...calm, limitedBy: 'cpu' }, true), { health: 'fair', cause: 'computer' });
  });

  it('gets worse at once and better only after some calm seconds', () => {
    const words = new UplinkJudge();
    const next = (sample: UplinkSample) => words.next(sample, true).health;
    assert.equal(next({ ...calm, loss: 0.5 }), 'poor');
    assert.deepEqual([next(calm), next(calm), next(calm)], ['poor', 'poor', 'poor']);
    assert.equal(next(calm), 'good');
  });

  it('reads a report of the browser', () => {
    const report = new Map<string, { type: string } & Record<string, unknown>>([
      ['a', { type: 'outbound-rtp', qualityLimitationReason: 'bandwidth' }],
      ['b', { type: 'remote-inbound-rtp', fractionLost: 0.01 }],
      ['c', { type: 'remote-inbound-rtp', fractionLost: 0.04 }],
      ['d', { type: 'candidate-pair', nominated: false, state: 'succeeded', currentRoundTripTime: 9 }],
      [
        'e',
        {
          type: 'candidate-pair',
          nominated: true,
          state: 'succeeded',
          currentRoundTripTime: 0.05,
          availableOutgoingBitrate: 800_000,
          bytesSent: 1_000,
        },
      ],
    ]);
    assert.deepEqual(readUplink(report, true), {
      connected: true,
      rttMs: 50,
      loss: 0.04,
      availableBps: 800_000,
      limitedBy: 'bandwidth',
      bytesSent: 1_000,
    });
  });
});

describe('the stage', () => {
  const track = (id: string) => ({ id }) as MediaStreamTrack;
  const peer = (id: string, role: PeerView['role']): PeerView => ({
    id,
    name: id,
    role,
    permissions: [],
    state: 'present',
    joinedAtMs: 0,
  });
  const gets = (peerId: string, source: 'camera' | 'screen' | 'encoder', paused = false): RemoteMedia => ({
    key: `${peerId}:${source}`,
    peerId,
    source,
    kind: 'video',
    track: track(`${peerId}:${source}`),
    paused,
    layer: null,
  });
  const nobody = { you: 'me', camera: null, screen: null };
  const people = [peer('student', 'student'), peer('teacher', 'teacher'), peer('me', 'student')];
  const names = (all: readonly { key: string }[]) => all.map(({ key }) => key);

  it('is empty while nobody shows anything', () => {
    assert.deepEqual(arrange(people, [], [], nobody), { main: null, floating: null, others: [] });
  });

  it('puts the teacher in front of a student who was there before', () => {
    const { main, others } = arrange(
      people,
      [],
      [gets('student', 'camera'), gets('teacher', 'camera')],
      nobody,
    );
    assert.equal(main?.key, 'teacher:camera');
    assert.deepEqual(names(others), ['student:camera']);
  });

  it('puts the screen in front of all and lets the teacher float over it', () => {
    const media = [gets('student', 'camera'), gets('teacher', 'camera'), gets('teacher', 'screen')];
    const { main, floating, others } = arrange(people, [], media, nobody);
    assert.equal(main?.key, 'teacher:screen');
    assert.equal(floating?.key, 'teacher:camera');
    assert.deepEqual(names(others), ['student:camera']);
  });

  it('shows a name for a camera that is paused, and floats no empty tile', () => {
    const media = [gets('teacher', 'camera', true), gets('teacher', 'screen')];
    const { main, floating } = arrange(people, [], media, nobody);
    assert.equal(main?.key, 'teacher:screen');
    assert.equal(floating, null);
    assert.equal(arrange(people, [], [gets('teacher', 'camera', true)], nobody).main?.picture, false);
  });

  it('puts a teacher who came back in front of what another tab of theirs left behind', () => {
    const lost = { ...peer('teacher', 'teacher'), state: 'away' as const };
    const media = ['teacher', 'again'].flatMap((id) => [gets(id, 'camera'), gets(id, 'screen')]);
    const { main, floating } = arrange([lost, peer('again', 'teacher')], [], media, nobody);
    assert.equal(main?.key, 'again:screen');
    assert.equal(floating?.key, 'again:camera');
    assert.equal(arrange([lost, ...people.slice(0, 1)], [], media, nobody).main?.key, 'teacher:screen');
  });

  it('shows who only speaks, and whether they are muted', () => {
    const speaking = [{ peerId: 'student', source: 'microphone' as const, paused: true }];
    const { others } = arrange(people, speaking, [gets('teacher', 'camera')], nobody);
    assert.deepEqual(
      others.map(({ key, picture, muted }) => ({ key, picture, muted })),
      [{ key: 'student:camera', picture: false, muted: true }],
    );
  });

  it('puts an encoder before a screen, and the people back when it sends nothing', () => {
    const media = (paused: boolean) => [
      gets('teacher', 'camera'),
      gets('teacher', 'screen'),
      gets('student', 'encoder', paused),
    ];
    const { main, floating, others } = arrange(people, [], media(false), nobody);
    assert.equal(main?.key, 'student:encoder');
    assert.equal(floating?.key, 'teacher:camera');
    assert.deepEqual(
      others.map(({ key }) => key),
      ['teacher:screen'],
    );
    assert.equal(arrange(people, [], media(true), nobody).main?.key, 'teacher:screen');
  });

  it('shows another one’s screen rather than one’s own', () => {
    const own = { you: 'me', camera: null, screen: track('mine') };
    assert.equal(arrange(people, [], [gets('teacher', 'screen')], own).main?.key, 'teacher:screen');
    assert.equal(arrange(people, [], [], own).main?.own, true);
  });
});

describe('a shortcut', () => {
  const pressed = (key: string, code: string, shiftKey = false) => shortcutKey({ key, code, shiftKey });

  it('goes by the place of the key where the layout is not Latin, or an input method takes it', () => {
    assert.equal(pressed('ь', 'KeyM'), 'm');
    assert.equal(pressed('С', 'KeyC', true), 'c');
    assert.equal(pressed('Process', 'KeyV'), 'v');
    assert.equal(pressed(',', 'Slash', true), ',');
    assert.equal(pressed('Process', 'Slash', true), '?');
  });

  it('goes by what is written on the key where that is Latin', () => {
    assert.equal(pressed('m', 'Semicolon'), 'm', 'French');
    assert.equal(pressed(',', 'KeyM'), ',', 'French');
    assert.equal(pressed('?', 'Minus', true), '?', 'German');
    assert.equal(pressed('Escape', 'Escape'), 'escape');
  });
});
