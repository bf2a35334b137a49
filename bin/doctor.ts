// `npm run doctor`: looks at everything that Lectern needs of this machine, and changes nothing.
import { availableParallelism } from 'node:os';
import { readVariables, settingsOf, type Settings, type Variables } from '#server/settings.ts';
import { VERSION } from '#server/version.ts';
import { address } from './doctor/address.ts';
import { certificate } from './doctor/certificate.ts';
import { dataFolder } from './doctor/data.ts';
import { good, lacking, lineOf, wrong, type Finding } from './doctor/finding.ts';
import { clock, machine, udp } from './doctor/machine.ts';
import { findPortProblems } from './ports.ts';
import { findRunning, type RunningLectern } from './running.ts';
import { hasApt, mayInstall } from './setup/apt.ts';
import { chromiumHint, findChromium } from './setup/chromium.ts';
import { ffmpegHint, findFfmpeg } from './setup/ffmpeg.ts';
import { isPageBuilt } from './setup/page.ts';
import { findWorker } from './setup/worker-cache.ts';
import { usualBuildTime } from './setup/worker.ts';

async function worker(): Promise<Finding> {
  const found = await findWorker();
  if (found !== undefined) return good(`The mediasoup worker runs (${found.path}).`);
  const how = 'The mediasoup worker is not there yet: "npm start" downloads it';
  if (!hasApt()) return lacking(`${how}; without internet, set MEDIASOUP_WORKER_BIN to one.`);
  return lacking(
    `${how}, or builds it in ${usualBuildTime()}${mayInstall() ? '' : ', for which it may need root once'}.`,
  );
}

async function ffmpeg({ gateway }: Settings): Promise<Finding> {
  const found = await findFfmpeg(gateway.ffmpeg);
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

async function ports(variables: Variables, running: RunningLectern | undefined): Promise<Finding[]> {
  // A Lectern that runs has them, as it should.
  if (running !== undefined) return [];
  const workers = variables.LECTERN_WORKERS ?? availableParallelism();
  const problems = await findPortProblems(variables, workers);
  if (problems.length === 0) return [good('All ports are free.')];
  return problems.map(({ message }) => wrong(message));
}

function health(variables: Variables, { version, notReady }: RunningLectern): Finding {
  const what = `Lectern ${version} runs on port ${variables.LECTERN_PORT}`;
  if (notReady.length > 0) {
    return wrong(`${what}, but ${notReady.join(' and ')} cannot serve: its log says why.`);
  }
  return version === VERSION
    ? good(`${what}, and all its services are ready.`)
    : lacking(`${what}, and this folder has ${VERSION}: start it again to run that.`);
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
  const findings = [
    good(`This is Lectern ${VERSION} on Node ${process.version}; the packages are installed.`),
  ];
  const collect = async (look: Parameters<typeof looked>[0]) => void findings.push(...(await looked(look)));
  let variables: Variables | undefined;
  let running: RunningLectern | undefined;
  await collect(() => {
    variables = readVariables();
    return good('The settings are understood.');
  });
  const known = variables;
  if (known !== undefined) {
    const settings = settingsOf(known);
    running = await findRunning(known);
    const found = running;
    if (found !== undefined) findings.push(health(known, found));
    await collect(() => ports(known, found));
    await collect(() => address(settings, found));
    await collect(() => certificate(settings));
    await collect(() => dataFolder(settings));
    await collect(() => ffmpeg(settings));
  }
  for (const look of [worker, browser, page, udp, clock, machine]) await collect(look);
  for (const finding of findings) console.log(lineOf(finding));
  const count = findings.filter(({ verdict }) => verdict === 'wrong').length;
  const well = running === undefined ? 'Lectern can start here.' : 'Lectern runs here, and all is well.';
  console.log(
    count === 0 ? `\n${well}` : `\n${count} of these keep Lectern from working: correct the lines with ✗.`,
  );
  return count === 0 ? 0 : 1;
}

process.exit(await doctor());
