// The machine itself: cores, memory, clock, UDP.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { run } from '../setup/run.ts';
import { good, lacking, wrong, type Finding } from './finding.ts';

const GIB = 1024 ** 3;
const MEMORY_WANTED_BYTES = GIB;
const UDP_LIMIT_MS = 2_000;

/** WebRTC and the way from the sfu to the gateway are UDP. */
export async function udp(): Promise<Finding> {
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

export function machine(): Finding[] {
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

/** Signatures and links have an end; a clock that runs off ends them early, or late. */
export async function clock(): Promise<Finding[]> {
  const asked = await run('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
  if (asked.status !== 0) return [];
  return asked.tail[0] === 'yes'
    ? [good('The clock is kept right.')]
    : [lacking('The clock is not kept right by NTP: run "sudo timedatectl set-ntp true".')];
}
