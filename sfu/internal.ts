// What the other services ask of the SFU (shared/contract/internal.ts), behind the internal secret.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { LessonId } from '#shared/contract/ids.ts';
import { EncoderState, RoomAccess } from '#shared/contract/internal.ts';
import type { EncoderNow } from '#shared/contract/publish.ts';
import { check, readJson, requireBearer, sendJson } from '#server/http.ts';
import type { Rooms } from './room/rooms.ts';

const MAX_BYTES = 16 * 1024;
const ROOM = /^\/internal\/rooms\/([^/]+)(\/encoder|\/access)?$/;

/** Serves `/internal/rooms/:room`, its encoder and its access, and `/internal/access`. Rejects with LecternError. */
export function internalApi(rooms: Rooms, secret: string) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://sfu');
    const [, room, part] = ROOM.exec(url.pathname) ?? [];
    if (room === undefined && url.pathname !== '/internal/access') throw new LecternError('not-found');
    requireBearer(request, secret);
    if (room === undefined) {
      only(request, 'PUT');
      rooms.recheck();
      sendJson(response, 200, {});
      return;
    }
    const id = LessonId.safeParse(room);
    if (!id.success) throw new LecternError('not-found');
    if (part === '/access') {
      only(request, 'PUT');
      rooms.setAccess(id.data, await readJson(request, RoomAccess, MAX_BYTES));
      sendJson(response, 200, {});
      return;
    }
    const answer =
      part === undefined
        ? ofRoom(rooms, id.data, request.method)
        : await ofEncoder(rooms, id.data, request, url);
    sendJson(response, 200, answer);
  };
}

function only(request: IncomingMessage, method: string): void {
  if (request.method !== method) throw new LecternError('method-not-allowed');
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
    return rooms.publishTo(id).onAir.stateEncoder(stated);
  }
  if (request.method !== 'DELETE') throw new LecternError('method-not-allowed');
  const { publication } = check(EncoderState.pick({ publication: true }), {
    publication: url.searchParams.get('publication'),
  });
  rooms.get(id)?.onAir.encoder.end(publication);
  return {};
}
