// What the smaller renditions of a source of one size cost: the ffmpeg that makes them.
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuPercent, family, memoryMb } from '../support/cost.ts';
import { eventually, startLectern } from '../support/lectern.ts';
import { mediaFile } from '../support/media-file.ts';
import { putOnAir } from '../support/on-air.ts';
import { classFile, startRtpSource } from '../support/rtp-source.ts';
import { measured, type Report } from './report.ts';

const MEASURE_MS = 30_000;
const SETTLE_MS = 5_000;

/** As `classFile`, at 1080 lines and 4 Mbps. */
const largeFile = () =>
  mediaFile(
    'class-1080p30',
    `-f lavfi -i testsrc2=size=1920x1080:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 60 ` +
      `-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -x264-params repeat-headers=1 -g 60 ` +
      `-b:v 4000k -maxrate 4000k -bufsize 2000k -pix_fmt yuv420p -c:a libopus -ac 1 -b:a 48k`,
  );

async function measure(file: string): Promise<{ cpu: number; mb: number }> {
  const source = await startRtpSource(file);
  const lectern = await startLectern({ LECTERN_LADDERS: '1' });
  try {
    const lesson = await lectern.startClass();
    const air = await putOnAir(lectern, lesson, source, 'benchmark2345');
    const gateway = lectern.pid('gateway');
    const makers = () => family(gateway).filter((pid) => pid !== gateway);
    await eventually('they are made', () => makers().length === 1);
    await sleep(SETTLE_MS);
    const cpu = await cpuPercent(makers, () => sleep(MEASURE_MS));
    const mb = memoryMb(makers());
    air.vanish();
    const stopped = lectern.log.filter(({ why }) => why !== undefined).length;
    if (stopped > 0) throw new Error(`they were left out ${stopped} times: this machine is too busy`);
    return { cpu, mb };
  } finally {
    await lectern.stop();
    await source.close();
  }
}

export async function run(report: Report): Promise<void> {
  for (const [name, file] of [
    ['smaller rendition of one source: 720p30 → 360 lines', classFile()],
    ['smaller renditions of one source: 1080p30 → 720 and 360 lines', largeFile()],
  ] as const) {
    const { cpu, mb } = await measure(file);
    report({
      name,
      aim: '–',
      measured: measured`${cpu} % of a core, ${mb} MB`,
      note: 'one ffmpeg',
    });
  }
}
