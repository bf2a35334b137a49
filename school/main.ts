// The control plane as a process.
import { createLog } from '#server/log.ts';
import { loadSecrets } from '#server/secrets.ts';
import { runService } from '#server/service.ts';
import { readSettings } from '#server/settings.ts';
import { startSchool } from './app.ts';

const settings = readSettings();
const log = createLog(settings, 'school');
await runService(log, () => startSchool(settings, loadSecrets(settings.LECTERN_DATA), log));
