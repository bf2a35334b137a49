// A teacher behind a bad network: 5 % of the packets lost each way, 100 ms there and back. What the audience
// gets and what is recorded has gaps at worst, and never a corrupted picture.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import type { Recording } from '#shared/contract/rest.ts';
import { decodeErrors, probe } from '../support/av.ts';
import { layBadLink } from '../support/bad-link.ts';
import { findChromium, launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { goLive, teach } from './people.ts';
import { freePort } from '../support/free-port.ts';

/** A private network of two, between this machine and the teacher's. */
const SCHOOL_IP = '10.203.77.1';
const TEACHER_IP = '10.203.77.2';
const NAMESPACE = `lectern-${process.pid}`;
const OURS = `lv${process.pid}`.slice(0, 15);
const THEIRS = `lw${process.pid}`.slice(0, 15);
const BAD = ['delay', '50ms', 'loss', '5%'];
const ON_AIR_MS = 20_000;

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const inside = (...args: string[]) => run('ip', 'netns', 'exec', NAMESPACE, ...args);

function layBadNetwork(): void {
  run('ip', 'netns', 'add', NAMESPACE);
  run('ip', 'link', 'add', OURS, 'type', 'veth', 'peer', 'name', THEIRS, 'netns', NAMESPACE);
  run('ip', 'addr', 'add', `${SCHOOL_IP}/30`, 'dev', OURS);
  run('ip', 'link', 'set', OURS, 'up');
  inside('ip', 'addr', 'add', `${TEACHER_IP}/30`, 'dev', THEIRS);
  inside('ip', 'link', 'set', 'lo', 'up');
  inside('ip', 'link', 'set', THEIRS, 'up');
  inside('tc', 'qdisc', 'add', 'dev', THEIRS, 'root', 'netem', ...BAD);
  run('tc', 'qdisc', 'add', 'dev', OURS, 'root', 'netem', ...BAD);
}

function removeNetwork(): void {
  for (const args of [
    ['link', 'del', OURS],
    ['netns', 'del', NAMESPACE],
  ]) {
    try {
      run('ip', ...args);
    } catch {
      // It is not there.
    }
  }
}

/** Why such a network cannot be laid here; undefined if it can. */
function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can lay a network of its own (ip netns, tc netem)';
  try {
    layBadNetwork();
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : String(error);
    return `no network namespaces with netem here: ${why}`;
  } finally {
    removeNetwork();
  }
}

describe('a teacher behind a bad network', { skip: obstacle() }, () => {
  let lectern: Lectern;
  let browser: Browser;
  let dir: string;
  const chromiumBefore = process.env.LECTERN_CHROMIUM;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-lossy-'));
    layBadNetwork();
    const port = await freePort();
    const origin = `http://${SCHOOL_IP}:${port}`;
    lectern = await startLectern({
      LECTERN_HOST: '0.0.0.0',
      LECTERN_PORT: String(port),
      LECTERN_PUBLIC_URL: origin,
      LECTERN_RTC_IP: SCHOOL_IP,
    });
    const chromium = findChromium() ?? 'chromium';
    const wrapper = join(dir, 'chromium');
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${NAMESPACE} '${chromium}' "$@"\n`, {
      mode: 0o755,
    });
    process.env.LECTERN_CHROMIUM = wrapper;
    // Cameras are given to https pages and localhost only; here the wire itself is the test's.
    browser = await launchChromium({ args: [`--unsafely-treat-insecure-origin-as-secure=${origin}`] });
  });
  after(async () => {
    if (chromiumBefore === undefined) delete process.env.LECTERN_CHROMIUM;
    else process.env.LECTERN_CHROMIUM = chromiumBefore;
    await browser?.close();
    await lectern?.stop();
    removeNetwork();
    rmSync(dir, { recursive: true, force: true });
  });

  it('sends no corrupted picture to viewers, and records none', async () => {
    const teacher = await teach(browser, lectern);
    await airWithoutABlemish(lectern, teacher, dir, () =>
      Number(/dropped (\d+)/.exec(inside('tc', '-s', 'qdisc', 'show', 'dev', THEIRS))?.[1]),
    );
  });
});

describe('a teacher whose WebRTC goes over a bad link', () => {
  it('sends no corrupted picture to viewers, and records none', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lectern-lossy-'));
    const port = await freePort();
    const lectern = await startLectern({ LECTERN_RTC_PORT: String(port), LECTERN_WORKERS: '1' });
    const browser = await launchChromium();
    const link = await layBadLink({ port, loss: 0.05, delayMs: 50 });
    try {
      const teacher = await teach(browser, lectern, (context) => link.use(context));
      await airWithoutABlemish(lectern, teacher, dir, () => link.lost.up);
      assert.ok(link.lost.down > 0);
    } finally {
      await browser.close();
      await lectern.stop();
      link.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

/** Puts the class on air for a while, and decodes what a viewer got and what was recorded. */
async function airWithoutABlemish(
  lectern: Lectern,
  teacher: Awaited<ReturnType<typeof teach>>,
  dir: string,
  lost: () => number,
): Promise<void> {
  await goLive(teacher);
  const { lesson } = teacher;
  const file = join(dir, 'seen.flv');
  // The bytes as they came: a change of resolution is in them, which other containers rewrite.
  const watching = await fetch(lesson.play.flv);
  const seen = pipeline(watching.body ?? [], createWriteStream(file));
  await sleep(ON_AIR_MS);
  assert.ok(lost() > 30, `the network lost ${lost()} packets of the teacher`);
  await lectern.api('POST', `/lessons/${lesson.id}/end`);
  const recording = await eventually(
    'the recording is ready',
    async () => {
      const [first] = (await lectern.api('GET', `/recordings?lesson=${lesson.id}`)) as Recording[];
      return first?.state === 'ready' && first;
    },
    30_000,
  );
  await seen;
  assert.equal(await decodeErrors(file), '', 'what a viewer got');
  for (const { format, url } of recording.files) {
    const recorded = join(dir, `class.${format}`);
    writeFileSync(recorded, Buffer.from(await (await fetch(url)).arrayBuffer()));
    assert.equal(await decodeErrors(recorded), '', `the recording as ${format}`);
    const { durationS, streams } = await probe(recorded);
    assert.deepEqual([...new Set(streams.map(({ codec }) => codec))].sort(), ['aac', 'h264']);
    assert.ok(durationS > ON_AIR_MS / 1_000 - 8, `${durationS} s of ${format}`);
  }
  assert.deepEqual(teacher.errors, []);
}
