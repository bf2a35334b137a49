// Other people's programs publish over RTMP, and what reaches the room is whole.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { FlvDemuxer, parseAudioBody } from '#shared/media/flv.ts';
import { decodeErrors } from '../../support/av.ts';
import { plain, unusual, withBFrames } from './films.ts';
import {
  CHANNEL,
  FOLDER,
  has,
  pushFile,
  quiet,
  run,
  startRig,
  until,
  writePictures,
  type Rig,
} from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(() => rig.close());
afterEach(() => quiet(rig.rooms));

const heard = () => rig.rooms.heard;

/** A packet that is later than it should be by more than this leaves a gap, in ms. */
const GAP_MS = 5;

/** How often the sound of an FLV file of 44.1 kHz AAC leaves something out by its own timestamps. */
function gapsIn(path: string): number {
  const times: number[] = [];
  for (const { type, body, timestampMs } of new FlvDemuxer().readBytes(readFileSync(path))) {
    if (type === 'audio' && parseAudioBody(body).type === 'frame') times.push(timestampMs);
  }
  return times.slice(1).filter((ms, index) => Math.abs(ms - (times[index] ?? 0) - 1_024 / 44.1) > GAP_MS)
    .length;
}

/** What a publisher of the plain film leaves in the room within a few seconds; returns the seams in its sound. */
async function received(name: string): Promise<{ seams: number; packets: number }> {
  const { pictures, sounds } = heard();
  const from = { pictures: pictures.length, sounds: sounds.length };
  await until(
    'three seconds of it',
    () => pictures.length - from.pictures > 90 && sounds.length - from.sounds > 150,
    20_000,
  );
  const mine = pictures.slice(from.pictures);
  assert.ok(mine[0]?.key, 'the first picture is a key frame');
  const errors = await decodeErrors(writePictures(name, mine));
  assert.equal(errors, '');
  // 20 ms each.
  const ticks = sounds.slice(from.sounds).map((sound) => sound.ticks);
  const seams = ticks.slice(1).filter((tick, index) => tick - (ticks[index] ?? 0) !== 960);
  return { seams: seams.length, packets: ticks.length };
}

describe('RTMP in', () => {
  test('ffmpeg: H.264 goes as it is, AAC becomes Opus', async () => {
    const ffmpeg = pushFile(plain(), rig.url);
    try {
      const { seams, packets } = await received('ffmpeg');
      assert.equal(seams, 0, `seams in ${packets} packets`);
      const state = heard().states.at(-1);
      assert.equal(state?.channel, CHANNEL);
      assert.equal(state.kind, 'rtmp');
      assert.deepEqual(state.tracks.map(({ codec }) => codec).sort(), ['h264', 'opus']);
      assert.deepEqual(state.notices, []);
      assert.equal(heard().pictures[0]?.config.width, 640);
      // High profile is what was sent: nothing encoded it again.
      assert.match(heard().pictures[0]?.config.codecString ?? '', /^avc1\.64/);
    } finally {
      await ffmpeg.stop('SIGINT');
    }
    const { publication = '' } = heard().states.at(-1) ?? {};
    await until('the goodbye reaches the room', () => heard().ended.includes(publication), 3_000);
  });

  for (const sink of ['rtmpsink', 'rtmp2sink']) {
    const missing = has('gst-inspect-1.0', sink) ? false : `GStreamer has no ${sink} here`;
    test(`GStreamer: ${sink}`, { skip: missing }, async () => {
      const video =
        'videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! ' +
        'x264enc tune=zerolatency key-int-max=30 bitrate=1000 speed-preset=ultrafast ! h264parse ! queue ! mux.';
      const audio =
        'audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=2 ! avenc_aac ! aacparse ! queue ! mux.';
      const sent = join(FOLDER, `${sink}-sent.flv`);
      const location = sink === 'rtmpsink' ? `${rig.url} live=1` : rig.url;
      const gst = run('gst-launch-1.0', [
        '-q',
        ...`${video} ${audio} flvmux name=mux streamable=true ! tee name=sent ! queue ! ${sink}`.split(' '),
        `location=${location}`,
        ...`sent. ! queue ! filesink buffer-mode=unbuffered location=${sent}`.split(' '),
      ]);
      try {
        const { seams, packets } = await received(sink);
        // On a busy machine its muxer leaves out what is late.
        const gaps = gapsIn(sent);
        assert.ok(seams <= gaps, `${seams} seams in ${packets} packets, and ${gaps} in what was sent`);
      } catch (error) {
        throw new Error(`${String(error)}\n${gst.said()}`, { cause: error });
      } finally {
        await gst.stop('SIGINT');
      }
    });
  }

  test('B-frames are converted, and the publisher and the room are told', async () => {
    const from = heard().pictures.length;
    const ffmpeg = pushFile(withBFrames(), rig.url);
    try {
      await until('pictures', () => heard().pictures.length - from > 60, 20_000);
      const mine = heard().pictures.slice(from);
      for (const [index, { ticks }] of mine.entries()) {
        assert.ok(index === 0 || ticks > (mine[index - 1]?.ticks ?? 0), 'shown in the order they come');
      }
      assert.equal(await decodeErrors(writePictures('bframes', mine)), '');
      assert.deepEqual(heard().states.at(-1)?.notices, [{ code: 'converted', reasons: ['b-frames'] }]);
      const metrics = await rig.metrics.metrics();
      assert.match(metrics, /lectern_publications\{mode="convert"\} 1/);
    } finally {
      await ffmpeg.stop('SIGINT');
    }
  });

  test('a 4:4:4 picture beyond full HD is made one that browsers show', async () => {
    const from = heard().pictures.length;
    const ffmpeg = pushFile(unusual(), rig.url);
    try {
      await until('pictures', () => heard().pictures.length - from > 20, 30_000);
      const mine = heard().pictures.slice(from);
      assert.deepEqual([mine[0]?.config.width, mine[0]?.config.height], [1_920, 1_080]);
      assert.match(mine[0]?.config.codecString ?? '', /^avc1\.42/);
      assert.equal(await decodeErrors(writePictures('unusual', mine)), '');
      assert.deepEqual(heard().states.at(-1)?.notices, [{ code: 'converted', reasons: ['colours', 'size'] }]);
    } finally {
      await ffmpeg.stop('SIGINT');
    }
  });

  test('a file sent faster than life arrives as life goes', async () => {
    const { sounds } = heard();
    const from = sounds.length;
    // On a busy machine the first sound is encoded late, and those that waited for it come with it.
    const beganMs = performance.now();
    const ffmpeg = run('ffmpeg', ['-v', 'error', '-i', plain(), '-c', 'copy', '-f', 'flv', rig.url]);
    try {
      await until('sound', () => sounds.length - from > 10, 10_000);
      const first = sounds[from];
      await until('four seconds of it', () => sounds.length - from > 200, 10_000);
      const last = sounds.at(-1);
      const mediaMs = ((last?.ticks ?? 0) - (first?.ticks ?? 0)) / 48;
      const passedMs = (last?.atMs ?? 0) - beganMs;
      assert.ok(mediaMs - passedMs < 3_500, `${mediaMs} ms of sound in ${passedMs} ms`);
    } finally {
      await ffmpeg.stop();
    }
  });

  test('what a viewer asks for does no harm: a key frame; and lost packets are sent again', async () => {
    const ffmpeg = pushFile(plain(), rig.url);
    try {
      const { videoSequences } = rig.rooms;
      const from = videoSequences.length;
      await until('packets', () => videoSequences.length - from > 50, 10_000);
      const wanted = videoSequences.at(-10) ?? 0;
      const times = () => videoSequences.filter((sequence) => sequence === wanted).length;
      const before = times();
      rig.rooms.sendPli();
      rig.rooms.sendNack(wanted);
      await until('the packet comes again', () => times() > before, 3_000);
    } finally {
      await ffmpeg.stop('SIGINT');
    }
  });
});
