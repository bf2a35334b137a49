// An error in the path of one class's frames ends that class with a reason. The others notice nothing.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { FeedTrack, ServiceEvent } from '#shared/contract/internal.ts';
import type { AvcConfig, Frame } from '#shared/media/frame.ts';
import { soundConfig } from '../../support/sound-config.ts';
import { Channels } from '../../../gateway/channel/channels.ts';
import type { MixerOptions, SourceFrame, SourceHandlers } from '../../../gateway/channel/sources.ts';
import { Fanout } from '../../../gateway/flv/fanout.ts';
import type { Tag, Wire } from '../../../gateway/flv/tag.ts';
import { IngestTally } from '../../../gateway/ingest/metrics.ts';
import type { RtpReceiver } from '../../../gateway/ingest/rtp/receiver.ts';
import { RtpSocket } from '../../../gateway/ingest/rtp/socket.ts';
import { camera, FROM, microphone } from './stage.ts';

const CONFIG = { codec: 'h264', width: 1280, height: 720, pixelAspect: [1, 1] } as unknown as AvcConfig;
type Part = 'programme' | 'ladder' | 'mixer' | 'end' | 'event';

/** Two classes side by side; parts of the first can be made to throw. */
function twoClasses() {
  let nowMs = 1_000;
  let tick = () => undefined as void;
  const broken = new Set<Part>();
  const errors: string[] = [];
  const frames = new Map<string, Frame[]>();
  const handlers = new Map<string, SourceHandlers>();
  const mixers: MixerOptions[] = [];
  let opening = '';
  const events: ServiceEvent[] = [];
  const breaks = (channel: string, part: Part) => {
    if (channel === 'channel1' && broken.has(part)) throw new TypeError(`the ${part} is broken`);
  };
  const channels = new Channels({
    sources: {
      address: { ip: '127.0.0.1', port: 8084 },
      openGroup: () => {
        const channel = opening;
        return {
          counts: { packets: 0, bytes: 0, lost: 0, keyframeRequests: 0 },
          open(track: FeedTrack, _from, given) {
            handlers.set(`${channel} ${track.id}`, given);
            return {
              transcoded: false,
              update: () => undefined,
              requestKeyframe: () => undefined,
              close: () => undefined,
            };
          },
          close: () => breaks(channel, 'end'),
        };
      },
    },
    outputs: {
      openProgramme: ({ channel }) => ({
        writeFrame(frame) {
          breaks(channel, 'programme');
          frames.set(channel, [...(frames.get(channel) ?? []), frame]);
        },
        end: () => breaks(channel, 'end'),
      }),
      openLadder: ({ info }) => ({
        resumeAtUs: 0,
        renditions: undefined,
        recordedMs: 0,
        audioCodec: 'aac',
        setTracks: () => undefined,
        writeVideo: () => breaks(info.channel, 'ladder'),
        writeAudio: () => breaks(info.channel, 'ladder'),
        writeStill: () => breaks(info.channel, 'ladder'),
        record: () => undefined,
        interrupt: () => undefined,
        end: () => Promise.resolve(),
      }),
      viewers: () => ({ flv: 0, hls: 0, rtmp: 0 }),
      isOver: () => false,
    },
    scaling: undefined,
    mixing: {
      open(options) {
        const channel = opening;
        mixers.push(options);
        return {
          want: () => undefined,
          addPacket: () => breaks(channel, 'mixer'),
          configOf: soundConfig,
          remove: () => undefined,
          close: () => breaks(channel, 'end'),
        };
      },
    },
    clock: {
      nowMs: () => nowMs,
      wallMs: () => nowMs,
      every(_intervalMs, call) {
        tick = call;
        return () => undefined;
      },
    },
    resumeMs: 60_000,
    recordingMode: () => 'automatic',
    log: { info: () => undefined, error: (_what, message) => errors.push(message) },
    onEvent(event) {
      if (event.type === 'broadcast:changed') breaks(event.channel, 'event');
      events.push(event);
    },
  });
  const feed = (channel: string) => {
    opening = channel;
    return channels.feed(channel, {
      broadcast: `${channel}run`,
      lesson: 'lesson123',
      title: 'A class',
      from: FROM,
      tracks: [camera(), microphone()],
      teaching: 'sending',
    });
  };
  const give = (channel: string, id: string, frame: SourceFrame) =>
    handlers.get(`${channel} ${id}`)?.onFrame(frame);
  return {
    broken,
    errors,
    events,
    frames,
    mixers,
    feed,
    state: (channel: string) => channels.status(channel)?.state,
    notice: (channel: string) => channels.status(channel)?.notice,
    /** A second of both classes. */
    pass() {
      for (let step = 0; step < 10; step += 1) {
        nowMs += 100;
        for (const channel of ['channel1', 'channel2']) {
          const key = step === 0;
          give(channel, 'cam', {
            kind: 'video',
            captureMs: nowMs,
            key,
            data: new Uint8Array(4),
            config: CONFIG,
          });
          give(channel, 'mic', { kind: 'audio', captureMs: nowMs, data: Uint8Array.of(0xf8) });
        }
        tick();
      }
    },
  };
}

for (const part of ['programme', 'ladder', 'mixer'] as const) {
  test(`a ${part} that throws ends its own class with a reason, and the other goes on`, () => {
    const { broken, errors, frames, feed, pass, notice, state } = twoClasses();
    feed('channel1');
    feed('channel2');
    pass();
    assert.deepEqual([state('channel1'), state('channel2')], ['live', 'live']);
    broken.add(part);
    pass();
    assert.equal(state('channel1'), 'failed');
    assert.equal(notice('channel1'), 'broken');
    assert.equal(errors.length, 1, 'it is logged once, not with every frame');
    const pictures = () => frames.get('channel2')?.filter(({ kind }) => kind === 'video').length ?? 0;
    const before = pictures();
    pass();
    assert.equal(state('channel2'), 'live');
    assert.equal(pictures(), before + 10);
    assert.equal(feed('channel1').state, 'failed', 'the SFU is told');
  });
}

test('what comes back from the mixing of a class that is broken reaches no other', () => {
  const { broken, feed, mixers, pass, state } = twoClasses();
  feed('channel1');
  feed('channel2');
  pass();
  broken.add('programme');
  const sound = { kind: 'audio', ptsUs: 0, durationUs: 21_333, data: new Uint8Array(4), config: {} } as Frame;
  for (const { onFrame } of mixers) onFrame(sound as Extract<Frame, { kind: 'audio' }>);
  assert.deepEqual([state('channel1'), state('channel2')], ['failed', 'live']);
});

test('parts that cannot even be closed, and events that cannot be kept, keep nothing else open', async () => {
  const { broken, errors, events, feed, pass, state } = twoClasses();
  feed('channel1');
  feed('channel2');
  pass();
  for (const part of ['programme', 'end', 'event'] as const) broken.add(part);
  pass();
  await sleep(0);
  assert.deepEqual([state('channel1'), state('channel2')], ['failed', 'live']);
  assert.equal(errors.filter((text) => text === 'a part of a broadcast could not be closed').length, 3);
  assert.ok(errors.includes('an event could not be kept'));
  assert.ok(events.length > 0);
});

test('a receiver that throws gets nothing more; the packets of others go on', async () => {
  const failures: unknown[] = [];
  const socket = await RtpSocket.open({
    port: 0,
    host: '127.0.0.1',
    counts: new IngestTally(new Registry()).common,
    nowMs: () => performance.now(),
    onError: (error) => failures.push(error),
  });
  const sender = createSocket('udp4');
  sender.bind(0, '127.0.0.1');
  await once(sender, 'listening');
  const from = { ip: '127.0.0.1', port: sender.address().port };
  const got = { bad: 0, good: 0 };
  const receiver = (ssrc: number, rtp: () => void) =>
    ({ ssrc, rtp, tick: () => undefined, senderReport: () => undefined }) as unknown as RtpReceiver;
  const broke: unknown[] = [];
  const bad = receiver(1, () => {
    got.bad += 1;
    throw new RangeError('beyond the end');
  });
  socket.route(from, bad, (error) => broke.push(error));
  socket.route(
    from,
    receiver(2, () => (got.good += 1)),
    (error) => broke.push(error),
  );
  const packet = (ssrc: number) => {
    const bytes = Buffer.alloc(20, 1);
    bytes.writeUInt16BE(0x8065, 0);
    bytes.writeUInt32BE(ssrc, 8);
    return bytes;
  };
  try {
    for (let n = 0; n < 20; n += 1) {
      for (const ssrc of [1, 2]) sender.send(packet(ssrc), socket.port, '127.0.0.1');
      await sleep(5);
    }
    const deadline = performance.now() + 5_000;
    while (got.good < 20 && performance.now() < deadline) await sleep(20);
    assert.deepEqual(got, { bad: 1, good: 20 });
    assert.equal(broke.length, 1);
    assert.deepEqual(failures, []);
  } finally {
    sender.close();
    socket.close();
  }
});

test('what breaks while a timer sends to viewers is told to the class at its next frame, and ends nothing else', async () => {
  const wire = { protocol: 'flv' } as unknown as Wire;
  const fanout = new Fanout({
    wire,
    headers: () => [],
    events: { sent: () => undefined, slow: () => undefined },
  });
  fanout.addViewer({ write: () => undefined, backlog: () => 0, close: () => undefined }, []);
  const broken = {
    entry: false,
    timestampMs: 0,
    isFor: () => true,
    on: () => {
      throw new RangeError('no such wire');
    },
  } as unknown as Tag;
  fanout.sendTag(broken);
  // Nobody catches what a timer throws: had it been thrown there, this process would be over.
  await sleep(200);
  assert.throws(() => fanout.sendTag(broken), /no such wire/);
});
