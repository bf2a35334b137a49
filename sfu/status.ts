// How the SFU is, for the owner's console: `GET /internal/status`.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import type { SfuStatus } from '#shared/contract/status.ts';
import { requireBearer, sendError, sendJson } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import { processVitals } from '#server/vitals.ts';
import type { Measured } from './metrics.ts';

type Parts = Pick<Measured, 'rooms' | 'workers' | 'outbox'>;

async function status({ rooms, workers, outbox }: Parts): Promise<SfuStatus> {
  const count = rooms.count();
  const own = processVitals();
  const usage = await workers.usage();
  return {
    vitals: {
      cpuS: usage.reduce((sum, { cpuS }) => sum + cpuS, own.cpuS),
      memoryBytes: usage.reduce((sum, { memoryBytes }) => sum + memoryBytes, own.memoryBytes),
      uptimeS: own.uptimeS,
    },
    rooms: count.rooms,
    people: count.peers,
    whepViewers: rooms.watched(),
    workers: usage.length,
    workerDeaths: workers.deaths,
    outbox: outbox(),
  };
}

/** Answers the request; returns false if it is for something else. */
export function serveStatus(
  request: IncomingMessage,
  response: ServerResponse,
  { secret, log, ...parts }: Parts & { readonly secret: string; readonly log: Log },
): boolean {
  if (request.url?.split('?', 1)[0] !== '/internal/status') return false;
  const answer = async () => {
    requireBearer(request, secret);
    if (request.method !== 'GET') throw new LecternError('method-not-allowed');
    sendJson(response, 200, await status(parts));
  };
  answer().catch((error: unknown) => sendError(response, error, log, request.url));
  return true;
}
