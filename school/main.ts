// The control plane as a process.
import { createLog } from '#server/log.ts';
import { writePrivately } from '#server/private-files.ts';
import { takeSettings } from '#server/process-env.ts';
import { loadSecrets } from '#server/secrets.ts';
import { runService } from '#server/service.ts';
import { startSchool } from './app.ts';

writePrivately();
const settings = takeSettings();
const log = createLog(settings.log.level, 'school');
await runService(log, () => startSchool(settings, loadSecrets(settings.dataDir), log));
