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
for (let at = 0; at < all.length; at += 40) {
  const batch = all.slice(at, at + 40);
  const started = performance.now();
  air.send(batch);
  reportedUs = batch.at(-1)?.atUs ?? 0;
  const spanMs = ((batch.at(-1)?.atUs ?? 0) - (batch[0]?.atUs ?? 0)) / 1_000;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, spanMs - (performance.now() - started))));
}
clearInterval(report);
