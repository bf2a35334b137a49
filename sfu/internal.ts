// What the other services ask of the SFU (shared/contract/internal-api.ts).
import { LecternError } from '#shared/contract/errors.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { serveInternal, type InternalApi } from '#server/internal-server.ts';
import type { Log } from '#server/log.ts';
import { broadcast } from './room/features/broadcast/on-air.ts';
import { chapters } from './room/features/chapters.ts';
import { statusOf, type Told } from './status.ts';

export interface SfuInternalOptions extends Told {
  readonly secret: string;
  readonly log: Log;
}

export function createInternalApi({ secret, log, ...told }: SfuInternalOptions): InternalApi {
  const { rooms } = told;
  return serveInternal(
    INTERNAL.sfu,
    {
      getRoom({ params }) {
        const room = rooms.get(params.room);
        if (room === undefined) throw new LecternError('not-found');
        return { ...room.view(), peers: room.size };
      },
      closeRoom: ({ params }) => rooms.close(params.room),
      putRoomAccess: ({ params, body }) => rooms.setAccess(params.room, body),
      chooseRecording({ params, body }) {
        const onAir = rooms.get(params.room)?.get(broadcast).onAir;
        if (onAir?.channel == null) throw new LecternError('not-live');
        onAir.chooseRecording(body.choice);
      },
      markChapter({ params, body }) {
        const room = rooms.get(params.room);
        if (room === undefined) throw new LecternError('not-live');
        return room.get(chapters).mark(body.title);
      },
      recheckRooms: () => rooms.recheck(),
      stateEncoder: ({ params, body }) =>
        rooms.publishTo(params.room).get(broadcast).onAir.stateEncoder(body),
      endEncoder: ({ params, query }) =>
        rooms.get(params.room)?.get(broadcast).onAir.encoder.end(query.publication),
      // A room that is not open has nobody in it.
      getEncoder: ({ params }) => ({
        encoder: rooms.get(params.room)?.get(broadcast).onAir.encoder.view ?? null,
      }),
      status: () => statusOf(told),
    },
    secret,
    log,
  );
}
