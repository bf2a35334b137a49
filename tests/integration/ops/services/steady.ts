// A service as real ones are: the common frame around an HTTP server with health.
import { createLog } from '#server/log.ts';
import {
  closeServer,
  createMetrics,
  createServer,
  listen,
  runService,
  serveHealth,
} from '#server/service.ts';

const log = createLog('info', 'steady');

await runService(log, async () => {
  const metrics = createMetrics('steady');
  const server = createServer((request, response) => {
    while (request.url === '/loop');
    if (!serveHealth(request, response, metrics, () => true)) response.end();
  });
  await listen(server, Number(process.env.LECTERN_STEADY_PORT), '127.0.0.1');
  log.info('steady opened');
  return {
    async close() {
      await closeServer(server);
      log.info('steady closed');
    },
  };
});
