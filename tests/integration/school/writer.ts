// A process that adds to one number in a school's database, each time in a transaction that reads it first.
// `node writer.ts <settings as JSON> <how often>`: says 'ready', begins when told to, ends with status 0 if no
// transaction was refused.
import { createLog } from '#server/log.ts';
import { readSettings } from '#server/settings.ts';
import { openDatabase } from '../../../school/database/database.ts';

const [env = '', times] = process.argv.slice(2);
const settings = readSettings(JSON.parse(env) as Record<string, string>);
const db = await openDatabase(settings, createLog(settings.log.level, 'writer'));
process.send?.('ready');
await new Promise((resolve) => process.once('message', resolve));
for (let time = 0; time < Number(times); time += 1) {
  await db.transaction().execute(async (transaction) => {
    const row = await transaction
      .selectFrom('outbox')
      .select('lastId')
      .where('name', '=', 'writers')
      .executeTakeFirst();
    const lastId = (row?.lastId ?? 0) + 1;
    await transaction
      .insertInto('outbox')
      .values({ name: 'writers', lastId })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ lastId }))
      .execute();
  });
}
await db.destroy();
process.disconnect?.();
