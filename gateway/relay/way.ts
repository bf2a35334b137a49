// The way of a relay's ffmpeg to the outside. RTMP goes through a tunnel of ours: this end connects to the
// address that was looked at, and speaks TLS where the address asks for it (ffmpeg itself blocks when it
// speaks RTMPS through a proxy). HTTP goes through the proxy, as it may be sent on to elsewhere.
import { once } from 'node:events';
import { connect, createServer, isIP, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import type { RelayReason, RelayTrouble } from '#shared/contract/relay.ts';
import type { Resolve } from '#server/outgoing.ts';
import { because } from './relay.ts';

/** Whom certificates are believed from: for ffmpeg a file in PEM, for us the same. */
export interface Trust {
  readonly caFile: string;
  readonly context: SecureContext;
}

/** What is alike for all relays. */
export interface Outside {
  readonly ffmpeg: string;
  /** Where HTTP goes through. */
  readonly proxy: string;
  readonly resolve: Resolve;
  readonly trust: () => Trust;
}

export interface Way {
  /** How ffmpeg is given the address. */
  readonly url: string;
  readonly options: readonly string[];
  /** Closes what is open. Idempotent. */
  close(): void;
}

const TROUBLES: Readonly<Record<string, RelayTrouble>> = {
  ECONNREFUSED: 'connection-refused',
  ECONNRESET: 'connection-closed',
  ETIMEDOUT: 'no-answer',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
};

/** Opens the way to `url`; `onFailure` is told why the connection failed. Rejects as `resolve` does. */
export async function openWay(
  url: string,
  outside: Outside,
  onFailure: (reason: RelayReason) => void,
): Promise<Way> {
  const target = new URL(url);
  const ip = await outside.resolve(target.hostname);
  const close = () => undefined;
  if (target.protocol === 'https:') {
    return { url, options: ['-tls_verify', '1', '-ca_file', outside.trust().caFile], close };
  }
  if (target.protocol === 'http:') return { url, options: [], close };
  const tunnel = await openTunnel(target, ip, outside.trust, onFailure);
  const credentials = target.username === '' ? '' : `${target.username}:${target.password}@`;
  return {
    url: `rtmp://${credentials}127.0.0.1:${tunnel.port}${target.pathname}${target.search}${target.hash}`,
    options: ['-rtmp_tcurl', `${target.protocol}//${target.host}/${applicationOf(target.pathname)}`],
    close: tunnel.close,
  };
}

/** What of a path is the application, by ffmpeg's own rule (libavformat/rtmpproto.c). */
export function applicationOf(pathname: string): string {
  const [first = '', second = '', ...rest] = pathname.split('/').slice(1);
  return rest.length > 0 && !second.includes(':') ? `${first}/${second}` : first;
}

/** Takes one connection on loopback to `ip`. */
async function openTunnel(
  target: URL,
  ip: string,
  trust: () => Trust,
  onFailure: (reason: RelayReason) => void,
) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    server.close();
    const far = connectTo(target, ip, trust);
    sockets.push(near, far);
    near.setNoDelay(true);
    near.on('error', () => far.destroy());
    near.on('close', () => far.destroy());
    far.on('error', (error) => {
      onFailure(reasonOf(error));
      near.destroy();
    });
    far.on('close', () => near.end());
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function reasonOf({ code = '', message }: NodeJS.ErrnoException): RelayReason {
  const trouble = TROUBLES[code];
  return trouble === undefined ? because('program', message.replace(/^connect /, '')) : because(trouble);
}

function connectTo({ protocol, hostname, port }: URL, ip: string, trust: () => Trust): Socket {
  if (protocol === 'rtmp:')
    return connect({ host: ip, port: port === '' ? 1_935 : Number(port), noDelay: true });
  const name = hostname.replace(/^\[(.*)\]$/, '$1');
  return connectTls({
    host: ip,
    port: port === '' ? 443 : Number(port),
    secureContext: trust().context,
    ...(isIP(name) === 0 ? { servername: name } : {}),
  });
}
