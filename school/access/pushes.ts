// Tells the gateway what is set, and the rooms what follows from it: of one lesson, and of the school.
import type { Database } from '../database/database.ts';
import { findLesson, linkVersionsOf } from '../lessons/store.ts';
import type { ServiceClients } from '../clients.ts';
import { endedViewers } from '../recordings/shares.ts';
import { accessOf, schoolAccess } from './store.ts';

/** All reject with a LecternError while the service cannot be told. */
export interface Pushes {
  settings(lesson: string): Promise<void>;
  defaults(): Promise<void>;
  /** The room of a lesson: which links are good. It asks the gateway again about those it has let in. */
  room(lesson: string): Promise<void>;
  /** Has all rooms ask. */
  rooms(): Promise<void>;
}

export function createPushes(db: Database, { gateway, sfu }: ServiceClients): Pushes {
  return {
    async settings(id) {
      const lesson = await findLesson(db, id);
      // Deleted in the meantime: the job for that does more.
      if (lesson === undefined) return;
      await gateway.putSettings({
        params: { channel: lesson.channel },
        body: {
          version: lesson.settingsVersion,
          lesson: id,
          title: lesson.title,
          publishVersion: lesson.state === 'ended' ? null : lesson.publishVersion,
          epoch: lesson.accessEpoch,
          recording: lesson.recordingMode,
          split: { splitMs: lesson.splitMs, splitBytes: lesson.splitBytes },
          access: accessOf(lesson),
          endedViewers: await endedViewers(db, id),
        },
      });
    },
    async defaults() {
      await gateway.putDefaults({ body: await schoolAccess(db) });
    },
    async room(id) {
      const lesson = await findLesson(db, id);
      if (lesson === undefined) return;
      const body = { links: linkVersionsOf(lesson), asksConsent: lesson.asksConsent === 1 };
      await sfu.putRoomAccess({ params: { room: id }, body });
    },
    rooms: () => sfu.recheckRooms(),
  };
}
