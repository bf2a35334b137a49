// A gateway's outputs in a process of their own, which a test ends with SIGKILL in the middle of a class.
import { argv, stdout } from 'node:process';
import { shoot, shots } from './film.ts';
import { startRig } from './rig.ts';

const [, , dataDir = ''] = argv;
const rig = await startRig(dataDir);
const film = await shoot(14);
const air = rig.goLive();
const report = setInterval(() => stdout.write(`${reportedUs}\n`), 20);
let reportedUs = 0;
const all = shots(film);
const startedMs = performance.now();
// A few at a time, as they come in a class: what is sent in one go is not on disk in the same moment.
const TOGETHER = 5;
for (let at = 0; at < all.length; at += TOGETHER) {
  const batch = all.slice(at, at + TOGETHER);
  air.send(batch);
  reportedUs = batch.at(-1)?.atUs ?? 0;
  const dueMs = (reportedUs - (all[0]?.atUs ?? 0)) / 1_000;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, startedMs + dueMs - performance.now())));
}
clearInterval(report);
