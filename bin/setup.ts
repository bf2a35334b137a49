// `npm run setup`: brings all that a start needs, and starts nothing; for images, and for machines that lose
// their way to the internet later.
import { ensurePage } from './setup/page.ts';
import { SetupError } from './setup/run.ts';
import { ensureWorker } from './setup/worker.ts';
import { onStop } from './signals.ts';

const stopping = new AbortController();
onStop(() => stopping.abort(new Error('stopped')));

try {
  const { path } = await ensureWorker(stopping.signal);
  const page = await ensurePage(stopping.signal);
  console.log(`The worker (${path}) and the page (${page}) are there.`);
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
// The signals' handlers would keep the process.
process.exit();
