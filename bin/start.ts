// `npm start`: set-up, then one school, gateway and sfu behind one door, until Ctrl-C.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { followCertificate } from '#server/certificate.ts';
import { trustedProxies } from '#server/forwarded.ts';
import { createLog } from '#server/log.ts';
import { makePrivate, writePrivately } from '#server/private-files.ts';
import { takeVariables } from '#server/process-env.ts';
import { loadSecrets, type Secrets } from '#server/secrets.ts';
import { settingsOf, type Settings, type Variables } from '#server/settings.ts';
import { readIdentity } from '#server/tls.ts';
import { VERSION } from '#server/version.ts';
import { createDoor } from './door.ts';
import { createLogLines } from './log-lines.ts';
import { findPortProblems, localOrigins, settlePorts } from './ports.ts';
import { ensureFfmpeg } from './setup/ffmpeg.ts';
import { ensurePage } from './setup/page.ts';
import { SetupError } from './setup/run.ts';
import { ensureWorker, renewWorker } from './setup/worker.ts';
import { onStop } from './signals.ts';
import { Supervisor } from './supervisor.ts';

const ROOT = join(import.meta.dirname, '..');
/** npm and its shell pass Ctrl-C on, as the terminal does: what comes so soon is the same one. */
const SAME_SIGNAL_MS = 1_000;

/** Something to close, in the order in which it was made; closed in the reverse order. */
interface Owned {
  close(): Promise<void>;
  kill?(): void;
}

const owned: Owned[] = [];
const stopping = new AbortController();
let stoppedAtMs: number | undefined;

/** Ends everything, then the process with `status`. Called again by a person, it does not wait. */
function stop(status: number): void {
  if (stoppedAtMs !== undefined) {
    if (Date.now() - stoppedAtMs < SAME_SIGNAL_MS) return;
    for (const one of owned) one.kill?.();
    process.exit(1);
  }
  stoppedAtMs = Date.now();
  stopping.abort(new Error('stopped'));
  closeAll().then(
    () => process.exit(status),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
}

async function closeAll(): Promise<void> {
  for (const one of owned.toReversed()) await one.close();
}

function fail(error: unknown): void {
  // What stops a wait when everything ends is no failure.
  if (stopping.signal.aborted) return;
  const known = error instanceof SetupError;
  const text = known
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`${text}\n`);
  stop(1);
}

onStop(() => stop(0));
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
// The reader of the log is gone, as with `npm start | head`: no one would know that this still runs.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop(1));

function variablesOrExit(): Variables {
  try {
    return takeVariables();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

function secretsOf({ dataDir }: Settings): Secrets {
  try {
    return loadSecrets(dataDir);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SetupError(
      `The data folder cannot be used (${why}): correct that, or set LECTERN_DATA to another.`,
    );
  }
}

function identityOf(settings: Settings) {
  try {
    return readIdentity(settings.tls);
  } catch (error) {
    throw new SetupError(error instanceof Error ? error.message : String(error));
  }
}

/** What the services read: the variables with their ports chosen, the same for all. */
function servicesEnv(variables: Variables, worker: string, ffmpeg: string | undefined): NodeJS.ProcessEnv {
  const given: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(variables)) {
    if (value !== undefined) given[name] = String(value);
  }
  return {
    ...process.env,
    ...given,
    // The door is a proxy to them, whatever else is.
    LECTERN_TRUSTED_PROXIES: [
      variables.LECTERN_TRUSTED_PROXIES,
      '127.0.0.1',
      '::1',
      variables.LECTERN_HOST,
    ].join(),
    MEDIASOUP_WORKER_BIN: worker,
    ...(ffmpeg === undefined ? {} : { LECTERN_FFMPEG: ffmpeg }),
  };
}

async function start(): Promise<void> {
  const environment = { ...process.env };
  const given = variablesOrExit();
  process.stderr.write(`Lectern ${VERSION}\n`);
  const { signal } = stopping;
  const workers = given.LECTERN_WORKERS ?? availableParallelism();
  const problems = await findPortProblems(given, workers);
  if (problems.length > 0) throw new SetupError(problems.map(({ message }) => message).join('\n'));
  const worker = await ensureWorker(signal);
  const ffmpeg = await ensureFfmpeg(given.LECTERN_FFMPEG, signal);
  const pagesDir = await ensurePage(signal);
  const variables = { ...(await settlePorts(given, workers, environment)), LECTERN_WORKERS: workers };
  const settings = settingsOf(variables);
  writePrivately();
  const secrets = secretsOf(settings);

  const pretty = settings.log.format === 'pretty';
  const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
  const lines = createLogLines(settings.log.format, process.stdout, colour);
  const sink = { write: (line: string) => lines.write(line) };
  // The supervisor's few lines are always there: scripts and people wait for `ready`.
  const log = createLog('info', 'lectern', sink);

  const open = makePrivate(settings.dataDir).catch((error: unknown) => {
    log.warn({ err: error }, 'the data folder cannot be made private: it should belong to this user');
  });
  owned.push({ close: () => open });

  const origins = localOrigins(variables);
  const identity = identityOf(settings);
  const doorLog = createLog(settings.log.level, 'door', sink);
  const door = createDoor({
    origins,
    pagesDir,
    playOrigins: settings.door.playOrigins,
    trustedProxies: trustedProxies(settings.trustedProxies),
    publicUrl: settings.door.publicUrl,
    identity,
    log: doorLog,
  });
  owned.push(door);
  await door.listen(settings.door.port, settings.door.host);

  if (identity !== undefined) {
    const stop = followCertificate(settings.tls, identity, (renewed) => door.renew(renewed), doorLog);
    owned.push({ close: async () => stop() });
  }

  const supervisor = new Supervisor({
    services: Object.entries(origins).map(([name, origin]) => ({
      name,
      file: join(ROOT, name, 'main.ts'),
      readyUrl: `${origin}/readyz`,
    })),
    env: servicesEnv(variables, worker.path, ffmpeg),
    log,
    lines,
  });
  owned.push(supervisor);
  await supervisor.start();

  if (!worker.current) {
    // The build ends when `signal` says so, before anything else is closed.
    const renewed = renewWorker(log, signal);
    owned.push({ close: () => renewed });
  }

  const url = settings.door.origin;
  const ownerLink = `${url}/owner#key=${secrets.owner}`;
  if (pretty) {
    process.stdout.write(`\nLectern is ready. Open this link to sign in: ${ownerLink}\n\n`);
  } else {
    // Past the log, which takes keys out of its lines: this one is for who starts it.
    const about = { level: 'info', service: 'lectern', atMs: Date.now(), url, ownerLink, pid: process.pid };
    const line = {
      ...about,
      gatewayUrl: settings.gateway.addresses[0],
      version: VERSION,
      msg: 'ready',
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

start().catch(fail);
