// What version 0.2 and earlier kept in two files, taken over once: `rooms.db`, by which rooms were rebuilt, and
// `outbox.db`, what the school had yet to hear of.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { RoomEvent } from '#shared/contract/events.ts';
import { inOne } from '#server/event-db.ts';
import type { Log } from '#server/log.ts';

/** An entry of `rooms.db`: an event without its stamp. */
const Entry = z.looseObject({
  type: z.string(),
  message: z.looseObject({ sentAtMs: z.number() }).optional(),
  peer: z.looseObject({ joinedAtMs: z.number() }).optional(),
});

/** An event of `outbox.db`, in the words of then. */
const Told = z.looseObject({
  type: z.string(),
  atMs: z.number(),
  lesson: z.string(),
  peer: z.string().optional(),
  name: z.string().optional(),
  role: z.string().optional(),
  message: z.string().optional(),
  text: z.string().optional(),
});

/** Its body as it is written today; undefined for what the SFU never told. */
function bodyOf({ type, atMs, peer, name, role, message, text }: z.infer<typeof Told>): object | undefined {
  switch (type) {
    case 'room:opened':
    case 'room:closed':
      return {};
    case 'peer:joined':
      return { peer: { id: peer, name, role, permissions: [], joinedAtMs: atMs } };
    case 'peer:left':
      return { peerId: peer };
    case 'chat:posted':
      return { message: { id: message, peerId: peer, name, role, text, sentAtMs: atMs } };
    case 'chat:deleted':
      return { messageId: message };
    default:
      return undefined;
  }
}

function rows(path: string, select: string): Record<string, unknown>[] {
  const older = new DatabaseSync(path);
  try {
    return older.prepare(select).all();
  } finally {
    older.close();
  }
}

/**
 * Takes over what lies in `folder` into the empty log `db`, and removes the files. The school has all of `rooms.db`
 * but what is in `outbox.db`; that is delivered and rebuilds no room, for the first does.
 */
export function importOlder(folder: string, db: DatabaseSync, log: Log): void {
  const [roomsPath, outboxPath] = [join(folder, 'rooms.db'), join(folder, 'outbox.db')];
  const insert = db.prepare('INSERT INTO event (room, body) VALUES (?, ?)');
  let taken = 0;
  /** `shown` is the room that is rebuilt by it; none by what is only told. */
  const take = (shown: string, event: unknown) => {
    const known = RoomEvent.safeParse(event);
    if (!known.success) {
      log.error({ err: known.error }, 'an event of an earlier version cannot be read');
    } else {
      insert.run(shown, JSON.stringify(known.data));
      taken += 1;
    }
  };
  const takeOver = () => {
    const entries = rows(roomsPath, 'SELECT room, body FROM entry ORDER BY id');
    const told = existsSync(outboxPath) ? rows(outboxPath, 'SELECT body FROM event ORDER BY id') : [];
    inOne(db, () => {
      for (const { room, body } of entries) {
        const entry = Entry.parse(JSON.parse(String(body)));
        const atMs = entry.message?.sentAtMs ?? entry.peer?.joinedAtMs ?? 0;
        if (entry.type === 'room:closed')
          db.prepare('INSERT OR IGNORE INTO closed VALUES (?)').run(String(room));
        else take(String(room), { ...entry, atMs, room, media: null });
      }
      db.exec('UPDATE delivered SET id = (SELECT coalesce(max(id), 0) FROM event)');
      for (const { body } of told) {
        const event = Told.parse(JSON.parse(String(body)));
        const { type, atMs, lesson } = event;
        take('', { type, atMs, room: lesson, media: null, ...bodyOf(event) });
      }
    });
  };
  if (!existsSync(roomsPath)) return;
  // Else it was killed between taking over and removing.
  const isTaken = db.prepare('SELECT 1 FROM event UNION SELECT 1 FROM closed').get() !== undefined;
  if (!isTaken) takeOver();
  for (const path of [roomsPath, outboxPath]) {
    for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
  }
  log.info({ events: taken }, 'took over the rooms of an earlier version');
}
