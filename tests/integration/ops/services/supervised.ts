// A supervisor in a process of its own, so that a test can end it in ways that leave it no last word.
import { createLog } from '#server/log.ts';
import { createLogLines } from '../../../../bin/log-lines.ts';
import { Supervisor } from '../../../../bin/supervisor.ts';

const lines = createLogLines('json', process.stdout);
const supervisor = new Supervisor({
  services: [
    {
      name: 'steady',
      file: new URL('steady.ts', import.meta.url).pathname,
      readyUrl: `http://127.0.0.1:${process.env.LECTERN_STEADY_PORT}/readyz`,
    },
  ],
  env: process.env,
  log: createLog('info', 'lectern', { write: (line: string) => lines.write(line) }),
  lines,
});
await supervisor.start();
console.log(JSON.stringify({ level: 'info', service: 'lectern', msg: 'all ready' }));
