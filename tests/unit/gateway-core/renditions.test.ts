// When smaller renditions of a source are made, and what becomes of them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { smallerSizes } from '../../../gateway/channel/renditions.ts';
import type { Scaling, ScalerOptions } from '../../../gateway/channel/sources.ts';
import { camera, microphone, setStage, sized, type StageOptions } from './stage.ts';

/** A stage whose machine scales `most` pictures at once; what it is told is in the log, too. */
function setWithScaling({ most = 9, ...options }: StageOptions & { most?: number } = {}) {
  const open = new Set<ScalerOptions>();
  const scaling: Scaling = {
    open(given) {
      if (open.size >= most) return undefined;
      open.add(given);
      stage.log.push(`scale ${given.sizes.map(({ width, height }) => `${width}x${height}`).join(' ')}`);
      return {
        // As an ffmpeg that takes no time.
        scaleFrame: (picture) => given.sizes.forEach((_, size) => given.onFrame(size, picture)),
        close: () => {
          if (open.delete(given)) stage.log.push('scale no more');
        },
      };
    },
  };
  const stage = setStage({ ...options, scaling });
  return {
    ...stage,
    of: (...what: string[]) => stage.log.filter((line) => what.includes(line.split(' ')[0] ?? '')),
  };
}

const layers = (...ids: string[]) => ids.map((id, layer) => camera({ id, layer, ssrc: 10 + layer }));

test('sizes keep the shape of the picture, and even sides', () => {
  const of = (width: number, height: number) =>
    smallerSizes({ width, height }).map((size) => `${size.width}x${size.height}`);
  assert.deepEqual(of(1_920, 1_080), ['640x360', '1280x720']);
  assert.deepEqual(of(1_280, 720), ['640x360']);
  assert.deepEqual(of(960, 540), ['640x360']);
  assert.deepEqual(of(1_024, 768), ['480x360']);
  assert.deepEqual(of(2_560, 1_080), ['854x360', '1706x720']);
  assert.deepEqual(of(1_366, 768), ['640x360']);
  // A phone held upright.
  assert.deepEqual(of(720, 1_280), ['360x640']);
  assert.deepEqual(of(1_280, 534), []);
  assert.deepEqual(of(640, 360), []);
});

describe('a source of one size', () => {
  test('gets a smaller rendition, which viewers of one picture never see', () => {
    const stage = setWithScaling();
    stage.feed([camera()]);
    stage.picture('cam', true);
    stage.pass(1_000, () => stage.picture('cam'));
    assert.deepEqual(stage.of('scale'), ['scale 640x360']);
    assert.deepEqual(
      stage.log.filter((line) => line.startsWith('ladder tracks')).at(-1),
      'ladder tracks [cam/0 cam]',
    );
    const times = (what: string) =>
      stage.log.filter((line) => line.startsWith(`${what} `)).map((line) => line.split(' ').at(-1));
    assert.equal(times('ladder cam').length, 11);
    assert.deepEqual(times('ladder cam/0'), times('ladder cam'));
    assert.deepEqual(times('programme video'), times('ladder cam'));
  });

  test('gets two if it is large enough, and the audience was told of so many', () => {
    for (const [renditions, sizes] of [
      [undefined, ['scale 640x360 1280x720']],
      [3, ['scale 640x360 1280x720']],
      [2, ['scale 640x360']],
      [1, []],
    ] as const) {
      const stage = setWithScaling(renditions === undefined ? {} : { renditions });
      stage.feed([camera()]);
      stage.picture('cam', true, 0, sized(1_920, 1_080));
      stage.pass(200, () => stage.picture('cam', false, 0, sized(1_920, 1_080)));
      assert.deepEqual(stage.of('scale').slice(0, 1), sizes);
    }
  });

  test('is what there is where the machine can make no more', () => {
    const stage = setWithScaling({ most: 0 });
    stage.feed([camera(), microphone()]);
    stage.picture('cam', true);
    stage.sound('mic');
    assert.deepEqual(stage.of('scale'), []);
    assert.ok(stage.log.includes('ladder tracks [cam]'));
  });

  test('that is small gets none; nor does a screen', () => {
    const stage = setWithScaling();
    stage.feed([camera()]);
    stage.picture('cam', true, 0, sized(640, 360));
    stage.feed([camera({ id: 'screen', source: 'screen' })]);
    stage.picture('screen', true, 0, sized(1_920, 1_080));
    assert.deepEqual(stage.of('scale'), []);
  });

  test('that changes its size gets its renditions again, and loses them once it is small itself', () => {
    const stage = setWithScaling();
    const [hd, small] = [sized(1_280, 720), sized(640, 360)];
    stage.feed([camera()]);
    stage.picture('cam', true, 0, sized(1_920, 1_080));
    stage.pass(100, () => stage.picture('cam', true, 0, hd));
    stage.pass(100, () => stage.picture('cam', true, 0, small));
    stage.pass(100, () => stage.picture('cam', true, 0, hd));
    assert.deepEqual(stage.of('scale'), [
      ...['scale 640x360 1280x720', 'scale no more', 'scale 640x360', 'scale no more', 'scale 640x360'],
    ]);
    assert.equal(stage.state(), 'live');
  });

  test('that is gone is scaled no more, until it is back with a key frame', () => {
    const stage = setWithScaling();
    stage.feed([camera()]);
    stage.picture('cam', true);
    stage.pass(2_000, () => stage.feed([]));
    assert.equal(stage.state(), 'interrupted');
    assert.deepEqual(stage.of('scale'), ['scale 640x360', 'scale no more']);
    stage.feed([camera()]);
    stage.picture('cam');
    assert.equal(stage.of('scale').length, 2);
    stage.picture('cam', true);
    assert.deepEqual(stage.of('scale').slice(2), ['scale 640x360']);
  });

  test('ends together with its broadcast', () => {
    const stage = setWithScaling();
    stage.feed([camera()]);
    stage.picture('cam', true);
    void stage.channels.stop('channel12');
    assert.deepEqual(stage.of('scale'), ['scale 640x360', 'scale no more']);
  });
});

describe('a simulcast', () => {
  test('is never scaled, though its upper layers come late or not at all', () => {
    const stage = setWithScaling();
    stage.feed(layers('low', 'middle', 'high'));
    stage.picture('low', true);
    stage.pass(5_000, () => stage.picture('low'));
    stage.picture('high', true);
    stage.pass(1_000, () => {
      stage.picture('low', true);
      stage.picture('high', true);
    });
    assert.deepEqual(stage.of('scale'), []);
  });

  test('takes over from a source of one size: that is scaled until the simulcast flows', () => {
    const stage = setWithScaling();
    stage.feed([camera()]);
    stage.picture('cam', true);
    stage.feed(layers('low', 'middle', 'high'));
    stage.pass(300, () => stage.picture('cam'));
    assert.deepEqual(stage.of('scale'), ['scale 640x360']);
    for (const id of ['low', 'middle', 'high']) stage.picture(id, true);
    assert.deepEqual(stage.of('scale'), ['scale 640x360', 'scale no more']);
    stage.pass(500, () => stage.picture('low'));
    assert.equal(
      stage.log.filter((line) => line.startsWith('ladder tracks')).at(-1),
      'ladder tracks [low middle high]',
    );
  });
});
