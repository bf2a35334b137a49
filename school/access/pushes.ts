// Tells the gateway what is set: of one lesson, and of the school.
import type { Database } from '../database.ts';
import { findLesson } from '../lessons/store.ts';
import type { Neighbours } from '../neighbours.ts';
import { accessOf, schoolAccess } from './store.ts';

/** Both reject with a LecternError while the gateway cannot be told. */
export interface Pushes {
  settings(lesson: string): Promise<void>;
  defaults(): Promise<void>;
}

export function createPushes(
  db: Database,
  neighbours: Pick<Neighbours, 'putSettings' | 'putDefaults'>,
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
  };
}
