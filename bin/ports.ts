// Which ports a start uses. They are tried before anything is started, so that a person reads one line
// for each that is taken, with the setting that moves it; port 0 becomes a free one that all processes share.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';
import type { Variables } from '#server/settings.ts';

/**
 * Free ports are picked below the range from which systems take ports for outgoing connections (Linux:
 * 32768): a service that restarts must find its port still free.
 */
const FREE_FROM = 12_000;
const FREE_TO = 32_000;
const FREE_TRIES = 50;

/** Services that only the door and each other talk to listen here. */
const INNER_HOST = '127.0.0.1';
/** Others do on LECTERN_HOST. */
const OUTER: ReadonlySet<string> = new Set(['LECTERN_PORT', 'LECTERN_GATEWAY_PORT', 'LECTERN_RTMP_PORT']);

type PortVariable = Extract<keyof Variables, `${string}_PORT`>;
type Protocol = 'tcp' | 'udp';

interface PortUse {
  variable: PortVariable;
  what: string;
  protocols: readonly Protocol[];
  /** How many ports in a row. */
  count: number;
  host: string;
}

/** What a start listens on, for `workers` mediasoup workers. */
function uses(variables: Variables, workers: number): PortUse[] {
  const one = (variable: PortVariable, what: string, protocol: Protocol = 'tcp'): PortUse => ({
    variable,
    what,
    protocols: [protocol],
    count: 1,
    host: OUTER.has(variable) ? variables.LECTERN_HOST : INNER_HOST,
  });
  return [
    one('LECTERN_PORT', 'the page and everything behind it'),
    one('LECTERN_GATEWAY_PORT', 'playback for CDNs'),
    one('LECTERN_SCHOOL_PORT', 'the school service'),
    one('LECTERN_SFU_PORT', 'the sfu service'),
    one('LECTERN_RTMP_PORT', 'RTMP'),
    one('LECTERN_INGEST_PORT', 'RTP from the sfu', 'udp'),
    {
      variable: 'LECTERN_RTC_PORT',
      what: 'WebRTC',
      protocols: ['udp', 'tcp'],
      count: workers,
      host: '0.0.0.0',
    },
  ];
}

/** A port that cannot be had; `message` is one line that says which setting moves it. */
export interface PortProblem {
  variable: PortVariable;
  port: number;
  message: string;
}

/** Tries every port that is not 0. */
export async function findPortProblems(variables: Variables, workers: number): Promise<PortProblem[]> {
  const found = await Promise.all(
    uses(variables, workers)
      .filter((use) => variables[use.variable] !== 0)
      .flatMap((use) =>
        Array.from({ length: use.count }, (_, index) => probe(use, variables[use.variable] + index)),
      ),
  );
  return found.filter((problem) => problem !== undefined);
}

async function probe(use: PortUse, port: number): Promise<PortProblem | undefined> {
  for (const protocol of use.protocols) {
    const code = await tryPort(protocol, port, use.host);
    if (code === undefined) continue;
    const { variable, what } = use;
    return {
      variable,
      port,
      message: explain(code, `${protocol.toUpperCase()} port ${port} (${what})`, use),
    };
  }
  return undefined;
}

function explain(code: string, port: string, { variable, host }: PortUse): string {
  if (code === 'EADDRINUSE')
    return `${port} is in use: stop what uses it (another Lectern?), or set ${variable} to a free port.`;
  if (code === 'EACCES') {
    return `${port} is not allowed to you: set ${variable} to a port above 1023, or grant CAP_NET_BIND_SERVICE (docs/operations.md).`;
  }
  if (code === 'EADDRNOTAVAIL') return `This machine has no address ${host}: set LECTERN_HOST to one it has.`;
  return `${port} cannot be opened (${code}): set ${variable} to another port.`;
}

/** Returns undefined if the port can be listened on, else the system's error code. */
async function tryPort(protocol: Protocol, port: number, host: string): Promise<string | undefined> {
  try {
    if (protocol === 'tcp') {
      const server = createServer();
      server.listen({ port, host, exclusive: true });
      await once(server, 'listening');
      await new Promise((resolve) => server.close(resolve));
    } else {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.bind({ port, address: host, exclusive: true });
      await once(socket, 'listening');
      await new Promise<void>((resolve) => socket.close(resolve));
    }
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
}

/**
 * Replaces port 0 by free ports, and derives the services' own addresses from their ports where none
 * was set. `given` is the environment that `variables` were read from.
 * Throws an Error if no free port is found.
 */
export async function settlePorts(
  variables: Variables,
  workers: number,
  given: NodeJS.ProcessEnv,
): Promise<Variables> {
  const settled = { ...variables };
  const taken = new Set<number>();
  for (const use of uses(variables, workers)) {
    if (settled[use.variable] === 0) settled[use.variable] = await findFree(use, taken);
  }
  const origins = localOrigins(settled);
  const chosen = (url: string | undefined, origin: string) =>
    url === undefined || url === '' ? origin : url;
  settled.LECTERN_SCHOOL_URL = chosen(given.LECTERN_SCHOOL_URL, origins.school);
  settled.LECTERN_GATEWAY_URL = chosen(given.LECTERN_GATEWAY_URL, origins.gateway);
  settled.LECTERN_SFU_URL = chosen(given.LECTERN_SFU_URL, origins.sfu);
  return settled;
}

/** An address of this machine at which something that listens on LECTERN_HOST answers. */
function outerHost({ LECTERN_HOST: host }: Variables): string {
  const one = host === '0.0.0.0' || host === '::' ? INNER_HOST : host;
  return one.includes(':') ? `[${one}]` : one;
}

/** Where this machine's door is for programs of the machine; with TLS, monitors need none. */
export const doorOrigin = (variables: Variables): string =>
  `http://${outerHost(variables)}:${variables.LECTERN_PORT}`;

/** Where this machine's own services are, as origins. */
export function localOrigins(variables: Variables): Record<'school' | 'gateway' | 'sfu', string> {
  return {
    school: `http://${INNER_HOST}:${variables.LECTERN_SCHOOL_PORT}`,
    gateway: `http://${outerHost(variables)}:${variables.LECTERN_GATEWAY_PORT}`,
    sfu: `http://${INNER_HOST}:${variables.LECTERN_SFU_PORT}`,
  };
}

async function findFree(use: PortUse, taken: Set<number>): Promise<number> {
  for (let tries = 0; tries < FREE_TRIES; tries += 1) {
    const first = randomInt(FREE_FROM, FREE_TO);
    const ports = Array.from({ length: use.count }, (_, index) => first + index);
    if (ports.some((port) => taken.has(port))) continue;
    const problems = await Promise.all(ports.map((port) => probe(use, port)));
    if (problems.some((problem) => problem !== undefined)) continue;
    for (const port of ports) taken.add(port);
    return first;
  }
  throw new Error(`No free port was found for ${use.what}: set ${use.variable}.`);
}
