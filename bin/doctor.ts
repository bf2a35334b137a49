// `npm run doctor`: looks at everything that Lectern needs of this machine, and changes nothing.
import { existsSync, statfsSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { readSettings, type Settings } from '#server/settings.ts';
import { findPortProblems } from './ports.ts';
import { hasApt, mayInstall } from './setup/apt.ts';
import { chromiumHint, findChromium } from './setup/chromium.ts';
import { ffmpegHint, findFfmpeg } from './setup/ffmpeg.ts';
import { isPageBuilt } from './setup/page.ts';
import { findWorker } from './setup/worker-cache.ts';
import { usualBuildTime } from './setup/worker.ts';

const GIB = 1024 ** 3;
/** A class of an hour, all layers recorded, is about 1.5 GiB. */
const DISK_WANTED_BYTES = 5 * GIB;
const MEMORY_WANTED_BYTES = GIB;
const UDP_LIMIT_MS = 2_000;

/** `wrong`: start will not work. `lacking`: it will, but something is missing. */
type Verdict = 'good' | 'lacking' | 'wrong';

interface Finding {
  verdict: Verdict;
  text: string;
}

const good = (text: string): Finding => ({ verdict: 'good', text });
const lacking = (text: string): Finding => ({ verdict: 'lacking', text });
const wrong = (text: string): Finding => ({ verdict: 'wrong', text });
const MARKS: Readonly<Record<Verdict, string>> = { good: '✓', lacking: '!', wrong: '✗' };

async function worker(): Promise<Finding> {
  const found = await findWorker();
  if (found !== undefined) return good(`The mediasoup worker runs (${found.path}).`);
  const how = 'The mediasoup worker is not there yet: "npm start" downloads it';
  if (!hasApt()) return lacking(`${how}; without internet, set MEDIASOUP_WORKER_BIN to one.`);
  return lacking(
    `${how}, or builds it in ${usualBuildTime()}${mayInstall() ? '' : ', for which it may need root once'}.`,
  );
}

async function ffmpeg({ LECTERN_FFMPEG }: Settings): Promise<Finding> {
  const found = await findFfmpeg(LECTERN_FFMPEG);
  return found === undefined ? lacking(ffmpegHint()) : good(`ffmpeg runs (${found}).`);
}

function browser(): Finding {
  const found = findChromium();
  return found === undefined ? lacking(chromiumHint()) : good(`There is a browser for the tests (${found}).`);
}

function page(): Finding {
  return isPageBuilt()
    ? good('The page is built.')
    : lacking('The page is not built yet: "npm start" does that.');
}

async function ports(settings: Settings): Promise<Finding[]> {
  const workers = settings.LECTERN_WORKERS ?? availableParallelism();
  const problems = await findPortProblems(settings, workers);
  if (problems.length === 0) return [good('All ports are free.')];
  return problems.map(({ message }) => wrong(message));
}

async function dataFolder({ LECTERN_DATA: dir }: Settings): Promise<Finding[]> {
  let folder = dir;
  while (!existsSync(folder)) folder = dirname(folder);
  const findings: Finding[] = [];
  try {
    await rm(await mkdtemp(join(folder, '.lectern-doctor-')), { recursive: true });
    findings.push(good(`The data folder can be written (${dir}).`));
  } catch {
    findings.push(
      wrong(`The data folder cannot be written (${dir}): give it to yourself, or set LECTERN_DATA.`),
    );
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = `${((bavail * bsize) / GIB).toFixed(1)} GiB of disk are free for recordings`;
  findings.push(
    bavail * bsize < DISK_WANTED_BYTES
      ? lacking(`Only ${free}; an hour of class takes about 1.5.`)
      : good(`${free}.`),
  );
  const secrets = join(dir, 'secrets.json');
  if (existsSync(secrets)) {
    const open = (statSync(secrets).mode & 0o077) !== 0;
    findings.push(
      open
        ? wrong(`Others can read ${secrets}: run "chmod 600 ${secrets}".`)
        : good('The secrets are yours alone.'),
    );
  }
  return findings;
}

/** WebRTC and the way from the sfu to the gateway are UDP. */
async function udp(): Promise<Finding> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const heard = once(socket, 'message', { signal: AbortSignal.timeout(UDP_LIMIT_MS) });
    socket.send('lectern', socket.address().port, '127.0.0.1');
    await heard;
    return good('UDP works on this machine.');
  } catch {
    return wrong('UDP does not work on this machine: let its firewall pass UDP on the loopback interface.');
  } finally {
    socket.close();
  }
}

function machine(): Finding[] {
  const cores = availableParallelism();
  const memory = `${(freemem() / GIB).toFixed(1)} of ${(totalmem() / GIB).toFixed(1)} GiB of memory are free`;
  return [
    cores < 2
      ? lacking('There is one core: a class works, a second one may not.')
      : good(`There are ${cores} cores.`),
    freemem() < MEMORY_WANTED_BYTES
      ? lacking(`Only ${memory}; Lectern takes about half a GiB.`)
      : good(`${memory}.`),
  ];
}

/** A check that throws found that something is wrong: its message says what. */
async function looked(look: () => Promise<Finding | Finding[]> | Finding | Finding[]): Promise<Finding[]> {
  try {
    return [await look()].flat();
  } catch (error) {
    return [wrong(error instanceof Error ? error.message : String(error))];
  }
}

async function doctor(): Promise<number> {
  const findings: Finding[] = [good(`Node is ${process.version}; the packages are installed.`)];
  let settings: Settings | undefined;
  const checked = await looked(() => {
    settings = readSettings();
    return good('The settings are understood.');
  });
  findings.push(...checked);
  const known = settings;
  findings.push(...(await looked(worker)));
  if (known !== undefined) {
    for (const look of [ffmpeg, ports, dataFolder]) findings.push(...(await looked(() => look(known))));
  }
  for (const look of [browser, page, udp, machine]) findings.push(...(await looked(look)));
  for (const { verdict, text } of findings) console.log(`${MARKS[verdict]} ${text}`);
  const count = findings.filter(({ verdict }) => verdict === 'wrong').length;
  console.log(
    count === 0
      ? '\nLectern can start here.'
      : `\n${count} of these keep Lectern from starting: mend the lines with ✗.`,
  );
  return count === 0 ? 0 : 1;
}

process.exit(await doctor());
