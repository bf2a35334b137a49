// The pictures that need no encoder, as a foreign decoder sees them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { readAvcc } from '#shared/media/avc.ts';
import { breakCard } from '../../../gateway/channel/break-card.ts';
import { blackFrame, StillPicture } from '../../../gateway/channel/still-picture.ts';

/** The luma of a key frame, decoded by ffmpeg. */
function decode({ config, data }: ReturnType<typeof blackFrame>): Buffer {
  const start = Buffer.of(0, 0, 0, 1);
  const units = [...config.sets, ...readAvcc(data)];
  const ffmpeg = spawnSync(
    'ffmpeg',
    ['-v', 'error', '-f', 'h264', '-i', '-', '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'gray', '-'],
    { input: Buffer.concat(units.flatMap((unit) => [start, Buffer.from(unit)])) },
  );
  assert.equal(ffmpeg.stderr.toString(), '');
  return ffmpeg.stdout;
}

for (const [width, height] of [
  [640, 360],
  [1_280, 720],
  [854, 480],
  [360, 640],
  [200, 100],
] as const) {
  test(`the words of a break are decoded sample for sample at ${width}×${height}`, () => {
    const ink = breakCard(width, height);
    const luma = decode(blackFrame(width, height, ink));
    assert.equal(luma.length, width * height);
    let inked = 0;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const wanted = ink.at(x, y);
        if (wanted !== undefined) inked += 1;
        // ffmpeg gives grey in full range.
        const full = Math.round((((wanted ?? 16) - 16) * 255) / 219);
        assert.ok(Math.abs((luma[y * width + x] ?? -1) - full) <= 1, `at ${x},${y}`);
      }
    }
    assert.ok(inked > 1_000);
  });
}

test('a break says so at once, with the configuration of the black picture, and takes no face along', () => {
  const still = new StillPicture();
  still.noteFrame({ ...blackFrame(640, 360), ptsUs: 0 });
  assert.equal(still.due(1_300_000).length, 1);
  still.setBreak(true);
  const card = still.at(1_400_000);
  still.setBreak(false);
  const black = still.at(9_000_000);
  assert.notDeepEqual(card.data, black.data);
  assert.equal(card.config, black.config);
});
