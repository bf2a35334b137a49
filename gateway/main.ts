// The broadcast plane as a process.
import { createLog } from '#server/log.ts';
import { loadSecrets } from '#server/secrets.ts';
import { runService } from '#server/service.ts';
import { readSettings } from '#server/settings.ts';
import { startGateway } from './app.ts';

const settings = readSettings();
const log = createLog(settings, 'gateway');
await runService(log, () => startGateway(settings, loadSecrets(settings.LECTERN_DATA), log));
