// A disk that takes nothing for a while: live viewers notice nothing, what is whole stays, and recording goes
// on by itself. What was lost is marked, and every figure is that of what is there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Backlog } from '../../../gateway/store/backlog.ts';
import { eventually } from '../../support/lectern.ts';
import { smallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { shoot, type Film, type Shot } from './film.ts';
import { info, looped, startRig, type OnAir, type Rig } from './rig.ts';

const run = promisify(execFile);
const LIVE = `/live/${info.channel}`;
const PART = `${LIVE}/${info.broadcast}`;
const REPLAY = `/replay/${info.broadcast}`;
const MIB = 1024 ** 2;

const disk = smallDisk(64);

interface Listed {
  readonly uri: string;
  readonly name: string;
  readonly durationS: number;
  readonly isGap: boolean;
  readonly isNew: boolean;
}

/** What a media playlist lists. */
function listed(playlist: string): Listed[] {
  const blocks = playlist.matchAll(
    /((?:#EXT-X-(?:DISCONTINUITY|GAP|MAP|PROGRAM-DATE-TIME|PART:)[^\n]*\n)*)#EXTINF:([\d.]+),\n((?:#EXT-X-GAP\n)?)([^#\n]+)\n/g,
  );
  return [...blocks].map(([, tags = '', durationS, gap, uri = '']) => ({
    uri,
    name: uri.split('?')[0] ?? '',
    durationS: Number(durationS),
    isGap: gap !== '' || tags.includes('#EXT-X-GAP'),
    isNew: tags.includes('#EXT-X-DISCONTINUITY\n'),
  }));
}

const total = (segments: readonly Listed[]) =>
  segments.filter(({ isGap }) => !isGap).reduce((sum, { durationS }) => sum + durationS, 0);

describe(
  'a disk that takes nothing',
  { skip: disk === undefined && 'no right to mount a file system' },
  () => {
    const { dir } = disk as SmallDisk;
    const { fill, free, lock, unlock } = disk as SmallDisk;
    const data = join(dir, 'data');
    const recordings = join(data, 'recordings');
    let film: Film;
    let all: Shot[];
    let rig: Rig;
    let air: OnAir;

    before(async () => {
      film = await shoot(6);
    });
    after(() => disk?.close());
    beforeEach(() => mkdirSync(recordings, { recursive: true }));
    afterEach(async () => {
      free();
      air.programme.end();
      await air.ladder.end();
      await rig.close();
      rmSync(data, { recursive: true });
    });

    async function start(backlog?: Backlog): Promise<void> {
      all = looped(film, 18);
      rig = await startRig(recordings, undefined, {}, undefined, backlog);
      air = rig.goLive();
    }
    /** The gateway ends and is started again; the class is over. */
    async function restart(): Promise<void> {
      await rig.close();
      rig = await startRig(recordings);
    }
    /** The next `seconds` of class. */
    async function teach(seconds: number): Promise<void> {
      const untilUs = (all[0]?.atUs ?? 0) + seconds * 1e6;
      while ((all[0]?.atUs ?? Infinity) < untilUs) {
        air.send(all.splice(0, 60));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    /** The next `seconds` of class, no quicker than the disk takes them. */
    async function record(seconds: number): Promise<void> {
      for (let taught = 0; taught < seconds; taught += 3) {
        const { durationMs = 0 } = rig.store.list()[0] ?? {};
        await teach(3);
        await eventually('it is written', () => (rig.store.list()[0]?.durationMs ?? 0) > durationMs);
      }
    }
    const told = (what: string, trouble: 'disk-full' | 'disk-unavailable' | null) =>
      eventually(what, () => rig.troubles.at(-1) === trouble);
    const text = async (path: string) => (await fetch(rig.signed(path))).text();
    const statusOf = async (uri: string, of = PART) => {
      const response = await fetch(`${rig.url}${of}/${uri}`);
      await response.arrayBuffer();
      return response.status;
    };
    /** Live viewers get the newest segments, and FLV. */
    async function isWatched(): Promise<void> {
      const newest = listed(await text(`${PART}/v2.m3u8`)).slice(-3);
      for (const { uri } of newest) assert.equal(await statusOf(uri), 200, uri);
      assert.equal((await fetch(rig.signed(`${LIVE}.flv`), { method: 'HEAD' })).status, 200);
    }
    /** Every figure of the recording is that of what is there, and all of it can be decoded. */
    async function agrees(): Promise<number> {
      const [recording] = rig.store.list();
      assert.equal(recording?.state, 'ready');
      const durationS = recording.durationMs / 1_000;
      let bytes = 0;
      for (const rendition of ['v0', 'v1', 'v2', 'audio']) {
        const segments = listed(await text(`${REPLAY}/${rendition}.m3u8`));
        assert.ok(
          Math.abs(total(segments) - durationS) < 0.3,
          `${rendition}: ${total(segments)} s of ${durationS} s`,
        );
        for (const { uri } of segments) {
          const response = await fetch(`${rig.url}${REPLAY}/${uri}`);
          assert.equal(response.status, 200, uri);
          bytes += (await response.arrayBuffer()).byteLength;
        }
      }
      assert.equal(recording.bytes, bytes);
      for (const format of ['mp4', 'flv']) {
        const url = rig.signed(`${REPLAY}.${format}`);
        const probe = ['-v', 'error', '-of', 'default=nw=1:nk=1', '-show_entries', 'format=duration', url];
        const { stdout } = await run('ffprobe', probe);
        assert.ok(
          Math.abs(Number(stdout) - durationS) < 0.3,
          `${format}: ${stdout.trim()} s of ${durationS} s`,
        );
        const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', url, '-f', 'null', '-']);
        assert.equal(stderr, '', `${format} is whole`);
      }
      return durationS;
    }
    async function end(): Promise<void> {
      air.programme.end();
      await air.ladder.end();
    }

    test('a short outage loses nothing, and recording goes on by itself', async () => {
      await start();
      await teach(10);
      fill();
      await teach(20);
      await told('that the disk is full', 'disk-full');
      assert.equal(rig.store.list()[0]?.state, 'paused');
      await isWatched();
      const freedMs = performance.now();
      free();
      await told('that it is over', null);
      assert.ok(performance.now() - freedMs < 5_000, 'within five seconds');
      assert.equal(rig.store.list()[0]?.state, 'writing');
      await teach(10);
      assert.doesNotMatch(await text(`${PART}/v2-dvr.m3u8`), /EXT-X-GAP/);
      await end();
      assert.ok((await agrees()) > 38);
      assert.deepEqual(rig.troubles, ['disk-full', null], 'told once each');
    });

    test('a long one leaves a gap that is marked, also after a restart', async () => {
      await start(new Backlog(4 * MIB));
      await teach(4);
      await record(10);
      fill();
      await teach(60);
      await told('that the disk is full', 'disk-full');
      await isWatched();
      const full = listed(await text(`${PART}/v2-dvr.m3u8`));
      assert.ok(full.some(({ isGap }) => isGap));
      for (const { uri, isGap } of full) if (!isGap) assert.equal(await statusOf(uri), 200, uri);
      free();
      await told('that it is over', null);
      await record(10);
      const again = listed(await text(`${PART}/v2-dvr.m3u8`));
      for (const { uri, isGap } of again) if (!isGap) assert.equal(await statusOf(uri), 200, uri);
      assert.deepEqual(
        again.slice(0, full.length).map(({ name }) => name),
        full.map(({ name }) => name),
        'nothing that was listed goes away',
      );
      await end();
      const durationS = await agrees();
      assert.ok(durationS > 20 && durationS < 60, `${durationS} s`);
      assert.ok(listed(await text(`${REPLAY}/v2.m3u8`)).some(({ isNew }) => isNew));
      await restart();
      assert.ok(Math.abs((await agrees()) - durationS) < 0.01);
    });

    test('a class that ends on a full disk is finalized when there is room', async () => {
      await start();
      await teach(10);
      fill();
      await teach(6);
      await told('that the disk is full', 'disk-full');
      const ending = end();
      await eventually('it is being finalized', () => rig.store.list()[0]?.state === 'finalizing');
      await ending;
      assert.equal(rig.store.list()[0]?.state, 'finalizing', 'the end does not wait for the disk');
      free();
      await eventually('it is ready', () => rig.store.list()[0]?.state === 'ready');
      assert.ok((await agrees()) > 14);
    });

    test('a class that begins on a full disk is recorded once there is room', async () => {
      fill();
      await start();
      await teach(10);
      await told('that the disk is full', 'disk-full');
      await isWatched();
      free();
      await told('that it is over', null);
      await teach(4);
      await end();
      assert.ok((await agrees()) > 12);
    });

    test('so does one whose folder is moved away and back', async () => {
      await start();
      await teach(10);
      renameSync(data, `${data}.away`);
      await teach(20);
      await told('that the disk is away', 'disk-unavailable');
      await isWatched();
      renameSync(`${data}.away`, data);
      await told('that it is over', null);
      await teach(6);
      await end();
      assert.ok((await agrees()) > 34);
    });

    test('and one on a disk that is mounted read-only for a while', async () => {
      await start();
      await teach(10);
      lock(recordings);
      await teach(20);
      await told('that it cannot be written', 'disk-unavailable').finally(() => unlock(recordings));
      await told('that it is over', null);
      await teach(6);
      await end();
      assert.ok((await agrees()) > 34);
    });

    test('what somebody deletes is marked as gone, or written again while it is known', async () => {
      await start();
      await teach(40);
      const folder = join(recordings, info.broadcast);
      const deleted = ['3-camera2.m4s', '18-camera2.m4s', 'init-0.mp4', 'index.ndjson', 'recording.json'];
      // The sound of a segment may be on disk before its picture.
      await eventually('it is written', () => deleted.every((name) => existsSync(join(folder, name))));
      for (const name of deleted) rmSync(join(folder, name));
      assert.equal((await fetch(rig.signed(`${PART}/3-camera2.m4s`))).status, 404);
      await eventually('the gap is marked', async () =>
        (await text(`${PART}/v2-dvr.m3u8`)).includes('EXT-X-GAP'),
      );
      const dvr = listed(await text(`${PART}/v2-dvr.m3u8`));
      assert.deepEqual(
        dvr.filter(({ isGap }) => isGap).map(({ name }) => name),
        ['3-camera2.m4s'],
      );
      for (const { uri, isGap } of dvr) assert.equal(await statusOf(uri), isGap ? 404 : 200, uri);
      await teach(10);
      await end();
      const durationS = await agrees();
      // Of one that is finished, too.
      rmSync(join(folder, '7-audio.m4s'));
      await restart();
      await text(`${REPLAY}/index.m3u8`);
      assert.ok(Math.abs((await agrees()) - (durationS - 2)) < 0.6);
    });

    test('a folder that is deleted under us is made again', async () => {
      await start();
      await teach(30);
      await eventually('it is written', () => readdirSync(join(recordings, info.broadcast)).length > 40);
      rmSync(join(recordings, info.broadcast), { recursive: true });
      await teach(30);
      await isWatched();
      await end();
      const durationS = await agrees();
      assert.ok(durationS > 30 && durationS < 60, `${durationS} s`);
      writeFileSync(join(recordings, 'stray'), '');
    });
  },
);
