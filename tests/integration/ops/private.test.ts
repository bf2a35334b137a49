// What a class leaves on the disk and what programs that Lectern starts are given: the operator's alone, and
// gone once it is deleted. A whole Lectern, with sound and smaller renditions made by ffmpeg.
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Lesson } from '#shared/contract/rest.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { Person } from '../sfu/world.ts';
import { Program } from '../../support/programs.ts';

const CDN_KEY = 'a-cdn-key-for-the-tests-only';
const TURN = 'turn-password-for-the-tests';
const OTHER = 'a-secret-of-somebody-else';
const TITLE = 'Quokkas and their habitat';
const NAME = 'Wilhelmina Featherstone';
const DELETED = 'I take that back immediately';
const WRITTEN = 'May I borrow your umbrella';

let lectern: Lectern;
let dataDir: string;
const open: { close(): unknown }[] = [];

before(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'lectern-private-'));
  // As earlier versions left it.
  chmodSync(dataDir, 0o755);
  mkdirSync(join(dataDir, 'gateway/recordings/earlier'), { recursive: true, mode: 0o755 });
  writeFileSync(join(dataDir, 'gateway/recordings/earlier/1.m4s'), 'old', { mode: 0o644 });
  lectern = await startLectern({
    LECTERN_DATA: dataDir,
    LECTERN_CDN_KEY: CDN_KEY,
    LECTERN_ICE_SERVERS: `turn:turn.example.org user ${TURN}`,
    LECTERN_LADDERS: '1',
    SECRET_OF_ANOTHER_PROGRAM: OTHER,
  });
});
after(async () => {
  for (const one of open) one.close();
  await lectern?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name));
}

/** The files in which one of `texts` is found, as raw bytes. */
const holding = (...texts: string[]): string[] =>
  filesBelow(dataDir)
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .filter((path) => {
      const bytes = readFileSync(path);
      return texts.some((text) => bytes.includes(text));
    });

interface Process {
  readonly pid: number;
  readonly command: string;
  readonly environ: string;
}

/** All that `pid` started, and that those started. */
function descendants(pid: number): Process[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const parent = Number(/^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]);
        const read = (file: string) => readFileSync(`/proc/${name}/${file}`, 'utf8');
        return [{ pid: Number(name), parent, command: read('cmdline'), environ: read('environ') }];
      } catch {
        return [];
      }
    });
  const below = (of: number): Process[] =>
    all.filter(({ parent }) => parent === of).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

async function enter(lesson: Lesson, link: 'teacher' | 'student', name: string): Promise<Person> {
  const person = await Person.byLink(lectern, lesson, link, name);
  open.push({ close: () => person.leave() });
  return person;
}

test('a class leaves nothing that others can read, and of a deleted one nothing at all', async () => {
  const lesson = await lectern.startClass(TITLE);
  const teacher = await enter(lesson, 'teacher', 'Ms. Ng');
  const student = await enter(lesson, 'student', NAME);
  await student.ask('chat:send', { id: 'taken-back', text: DELETED });
  await student.ask('chat:send', { id: 'stays', text: WRITTEN });
  const { publish } = Lesson.parse(await lectern.api('GET', `/lessons/${lesson.id}`));
  const encoder = new Program('ffmpeg', [
    ...'-v error -re -f lavfi -i testsrc2=size=1280x720:rate=15 -f lavfi -i sine=frequency=440'.split(' '),
    ...'-t 120 -c:v libx264 -preset ultrafast -tune zerolatency -g 15 -pix_fmt yuv420p -c:a aac -f flv'.split(
      ' ',
    ),
    `${publish?.rtmp.url}/${publish?.rtmp.key}`,
  ]);
  open.push({ close: () => encoder.child.kill('SIGKILL') });
  await teacher.ask('broadcast:start', {});
  await eventually(
    'it is live and recorded',
    async () => {
      const lessons = (await lectern.api('GET', '/recordings')) as { lesson: string; bytes: number }[];
      return lessons.some((recording) => recording.lesson === lesson.id && recording.bytes > 0);
    },
    60_000,
  );

  // What was started sees none of what is secret; our own services see what is theirs.
  const ffmpegs = await eventually(
    'ffmpeg and a worker run',
    () => {
      const all = descendants(lectern.supervisorPid);
      const programs = all.filter(({ command }) => !command.includes('/main.ts'));
      const found = (name: string) => programs.filter(({ command }) => command.includes(name)).length;
      return found('ffmpeg') >= 1 && found('mediasoup-worker') >= 1 && programs;
    },
    60_000,
  );
  for (const { command, environ } of ffmpegs) {
    for (const text of [lectern.apiKey, CDN_KEY, TURN, OTHER, 'LECTERN_']) {
      assert.ok(!environ.includes(text), `${command} knows ${text}`);
    }
  }
  const services = { school: lectern.apiKey, gateway: CDN_KEY, sfu: TURN };
  for (const [service, own] of Object.entries(services)) {
    const { environ } = descendants(lectern.supervisorPid).find(
      ({ pid }) => pid === lectern.pid(service as 'sfu'),
    )!;
    assert.ok(environ.includes(own), service);
    for (const text of [...Object.values(services).filter((secret) => secret !== own), OTHER]) {
      assert.ok(!environ.includes(text), `${service} knows ${text}`);
    }
  }

  const shared = [dataDir, ...filesBelow(dataDir)].filter((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found !== undefined && (found.mode & 0o077) !== 0;
  });
  assert.deepEqual(shared, []);
  assert.ok(filesBelow(dataDir).some((path) => path.endsWith('-wal')));

  assert.ok(holding(DELETED).length > 0);
  await teacher.ask('chat:delete', { messageId: 'taken-back' });
  await eventually('what was taken back is nowhere', () => holding(DELETED).length === 0);

  assert.ok(holding(NAME, WRITTEN, TITLE).length > 0);
  await lectern.api('POST', `/lessons/${lesson.id}/end`);
  await lectern.api('DELETE', `/lessons/${lesson.id}`);
  let found: string[] = [];
  await eventually(
    'what was deleted is nowhere',
    () => {
      found = holding(NAME, WRITTEN, TITLE);
      return found.length === 0;
    },
    20_000,
  ).catch((error: unknown) => assert.fail(`${String(error)}: ${found.join(', ')}`));
});
