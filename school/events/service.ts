// What the other services tell, applied in its order and once.
import type { EventBatch, ServiceEvent } from '#shared/contract/internal.ts';
import type { Log } from '#server/log.ts';
import type { Database } from '../database/database.ts';
import { noteArrival, noteConsent, noteDeparture } from '../lessons/attendance.ts';
import { keepChapter, removeChapter, renameChapter } from '../lessons/chapters.ts';
import { deleteMessage, keepMessage } from '../lessons/chat.ts';
import { findLesson, moveLesson } from '../lessons/store.ts';
import { addPushes, changeSettings, noteGateway } from '../access/store.ts';
import { noteInterrupted } from '../lessons/watching.ts';
import { noteRecording } from '../recordings/store.ts';

/**
 * Applies the events of `batch` that were not applied before, and remembers them, in one transaction.
 * Events of lessons that are not there (any more) are passed over. Returns how many were new.
 */
export function applyEvents(db: Database, { outbox, events }: EventBatch, log: Log): Promise<number> {
  return db.transaction().execute(async (transaction) => {
    const known = await transaction
      .selectFrom('outbox')
      .select('lastId')
      .where('name', '=', outbox)
      .executeTakeFirst();
    let lastId = known?.lastId ?? 0;
    let count = 0;
    for (const { id, event } of events) {
      if (id <= lastId) continue;
      await applyEvent(transaction, event, log);
      lastId = id;
      count += 1;
    }
    if (count === 0) return 0;
    await transaction
      .insertInto('outbox')
      .values({ name: outbox, lastId })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ lastId }))
      .execute();
    return count;
  });
}

async function applyEvent(db: Database, event: ServiceEvent, log: Log): Promise<void> {
  if (event.type === 'gateway:started') {
    await noteGateway(db, event.instance);
    return;
  }
  const id = lessonOf(event);
  if ((await findLesson(db, id)) === undefined) return;
  const { atMs } = event;
  switch (event.type) {
    case 'room:opened':
      await moveLesson(db, id, 'open');
      break;
    case 'room:closed':
      await noteDeparture(db, id, atMs);
      if ((await moveLesson(db, id, 'end')) !== undefined) {
        log.info({ lesson: id }, 'lesson ended');
        // The stream key ends with it.
        await changeSettings(db, id, {}, atMs);
        await addPushes(db, [{ type: 'push-settings', lesson: id }]);
      }
      break;
    case 'peer:changed':
      if (event.peer.consentedAtMs !== undefined)
        await noteConsent(db, id, event.peer.id, event.peer.consentedAtMs);
      break;
    case 'peer:joined': {
      const { id: peer, name, role, joinedAtMs, consentedAtMs = null } = event.peer;
      await noteArrival(db, { lesson: id, peer, name, role, atMs: joinedAtMs, consentedAtMs });
      break;
    }
    case 'peer:left':
      await noteDeparture(db, id, atMs, event.peerId);
      break;
    case 'chat:posted': {
      const { id: message, peerId: peer, name, role, text, sentAtMs } = event.message;
      await keepMessage(db, { lesson: id, message, peer, name, role, text, sentAtMs });
      break;
    }
    case 'chat:deleted':
      await deleteMessage(db, id, event.messageId);
      break;
    case 'chapter:marked': {
      const { id: chapter, title, markedAtMs } = event.chapter;
      // Off air a room marks none.
      if (event.media === null) break;
      const { broadcast } = event.media;
      await keepChapter(db, { lesson: id, chapter, broadcast, title, markedAtMs });
      break;
    }
    case 'chapter:renamed':
      await renameChapter(db, { lesson: id, chapter: event.chapterId, title: event.title });
      break;
    case 'chapter:removed':
      await removeChapter(db, id, event.chapterId);
      break;
    case 'broadcast:changed':
      // An interrupted broadcast is still on air: its addresses stand and its viewers wait.
      await noteInterrupted(db, id, event.state === 'interrupted');
      if (event.state === 'live') await moveLesson(db, id, 'live');
      if (event.state === 'ended' || event.state === 'failed') await moveLesson(db, id, 'off-air');
      break;
    case 'recording:changed':
      await noteRecording(db, event.recording, atMs);
      break;
    default:
    // What only the room itself needs.
  }
}

function lessonOf(event: Exclude<ServiceEvent, { type: 'gateway:started' }>): string {
  if ('room' in event) return event.room;
  return event.type === 'recording:changed' ? event.recording.lesson : event.lesson;
}
