// Tells the gateway what is set, and the rooms what follows from it: of one lesson, and of the school.
import type { Database } from '../database.ts';
import { findLesson, linkVersionsOf } from '../lessons/store.ts';
import type { Neighbours } from '../neighbours.ts';
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

export function createPushes(
  db: Database,
  neighbours: Pick<Neighbours, 'putSettings' | 'putDefaults' | 'putRoomAccess' | 'recheckRooms'>,
): Pushes {
  return {
    async settings(id) {
      const lesson = await findLesson(db, id);
      // Deleted meanwhile: that errand tells more.
      if (lesson === undefined) return;
      await neighbours.putSettings(lesson.channel, {
        version: lesson.settingsVersion,
        lesson: id,
        title: lesson.title,
        publishVersion: lesson.state === 'ended' ? null : lesson.publishVersion,
        epoch: lesson.accessEpoch,
        access: accessOf(lesson),
      });
    },
    async defaults() {
      await neighbours.putDefaults(await schoolAccess(db));
    },
    async room(id) {
      const lesson = await findLesson(db, id);
      if (lesson !== undefined) await neighbours.putRoomAccess(id, { links: linkVersionsOf(lesson) });
    },
    rooms: () => neighbours.recheckRooms(),
  };
}
