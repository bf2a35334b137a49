// What the other services ask of the SFU (shared/contract/internal.ts), behind the internal secret.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { LessonId } from '#shared/contract/ids.ts';
import { EncoderState } from '#shared/contract/internal.ts';
import type { EncoderNow } from '#shared/contract/publish.ts';
import { check, readJson, requireBearer, sendJson } from '#server/http.ts';
import type { Rooms } from './room/rooms.ts';

const MAX_BYTES = 16 * 1024;
const ROOM = /^\/internal\/rooms\/([^/]+)(\/encoder)?$/;

/** Serves `/internal/rooms/:room` and its encoder. Rejects with LecternError. */
export function internalApi(rooms: Rooms, secret: string) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://sfu');
    const [, room, encoder] = ROOM.exec(url.pathname) ?? [];
    if (room === undefined) throw new LecternError('not-found');
    requireBearer(request, secret);
    const id = LessonId.safeParse(room);
    if (!id.success) throw new LecternError('not-found');
    const answer =
      encoder === undefined
        ? ofRoom(rooms, id.data, request.method)
        : await ofEncoder(rooms, id.data, request, url);
    sendJson(response, 200, answer);
  };
}

function ofRoom(rooms: Rooms, id: string, method: string | undefined): object {
  if (method === 'DELETE') {
    rooms.close(id);
    return {};
  }
  if (method !== 'GET') throw new LecternError('method-not-allowed');
  const room = rooms.get(id);
  if (room === undefined) throw new LecternError('not-found');
  return { ...room.view(), peers: room.size };
}

async function ofEncoder(rooms: Rooms, id: string, request: IncomingMessage, url: URL): Promise<object> {
  if (request.method === 'GET') {
    // A room that is not open has nobody in it.
    return { encoder: rooms.get(id)?.onAir.encoder.view ?? null } satisfies EncoderNow;
  }
  if (request.method === 'PUT') {
    const stated = await readJson(request, EncoderState, MAX_BYTES);
    return rooms.publishTo(id).stateEncoder(stated);
  }
  if (request.method !== 'DELETE') throw new LecternError('method-not-allowed');
  const { publication } = check(EncoderState.pick({ publication: true }), {
    publication: url.searchParams.get('publication'),
  });
  rooms.get(id)?.endEncoder(publication);
  return {};
}
