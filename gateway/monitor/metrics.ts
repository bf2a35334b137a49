// The figures of each channel for Prometheus. They are read when somebody asks, and only channels on air
// have any: a label that is made by every class ever taught would grow without end.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { MixingUsage } from '../audio/mixing.ts';
import type { ChannelFigures, Disk } from './figures.ts';

type Values = readonly (readonly [label: string, value: number])[];

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  /** The second label, alongside `channel`. */
  readonly label?: string;
  /** A value for each value of the second label; without one, a single value. Nothing where it is not known. */
  readonly read: (channel: ChannelFigures) => Values | number | null;
}

const seconds = (ms: number | null) => (ms === null ? null : ms / 1_000);

const METRICS: readonly Metric[] = [
  {
    name: 'state',
    help: '1 for the state that the publisher is in: starting, live or interrupted.',
    kind: 'gauge',
    label: 'state',
    read: ({ state }) => [[state, 1]],
  },
  {
    name: 'recorded',
    help: '1 if it is recorded, 0 while the disk takes nothing.',
    kind: 'gauge',
    read: ({ diskTrouble }) => (diskTrouble === null ? 1 : 0),
  },
  {
    name: 'in_bytes_total',
    help: 'Bytes of RTP received.',
    kind: 'counter',
    read: ({ source }) => source.bytes,
  },
  {
    name: 'in_bits_per_second',
    help: 'Bit rate received, over the last five seconds.',
    kind: 'gauge',
    read: ({ rates }) => rates.inBps,
  },
  {
    name: 'out_bytes_total',
    help: 'Media bytes handed to viewers.',
    kind: 'counter',
    label: 'protocol',
    read: ({ delivery }) => Object.entries(delivery.bytes),
  },
  {
    name: 'out_bits_per_second',
    help: 'Bit rate handed to viewers, over the last five seconds.',
    kind: 'gauge',
    read: ({ rates }) => rates.outBps,
  },
  {
    name: 'frames_total',
    help: 'Frames of the programme.',
    kind: 'counter',
    label: 'kind',
    read: ({ flow }) => [
      ['video', flow.videoFrames],
      ['audio', flow.audioFrames],
    ],
  },
  {
    name: 'viewers',
    help: 'Viewers at this moment.',
    kind: 'gauge',
    label: 'protocol',
    read: ({ viewers }) => Object.entries(viewers),
  },
  {
    name: 'lost_packets_total',
    help: 'RTP packets that never came.',
    kind: 'counter',
    read: ({ source }) => source.lost,
  },
  {
    name: 'keyframe_requests_total',
    help: 'Key frames asked for.',
    kind: 'counter',
    read: ({ source }) => source.keyframeRequests,
  },
  {
    name: 'slow_readers_total',
    help: 'Times a viewer was too slow and skipped to a key frame, or was let go.',
    kind: 'counter',
    label: 'outcome',
    read: ({ delivery }) => [
      ['skipped', delivery.skipped],
      ['closed', delivery.closed],
    ],
  },
  {
    name: 'av_skew_seconds',
    help: 'How much later than its picture the sound of a moment is handed to the programme.',
    kind: 'gauge',
    read: ({ flow }) => seconds(flow.skewMs),
  },
  {
    name: 'keyframe_interval_seconds',
    help: 'Between the last two key frames of the programme.',
    kind: 'gauge',
    read: ({ flow }) => seconds(flow.keyframeIntervalMs),
  },
];

export function exposeChannels(registry: Registry, channels: () => ChannelFigures[]): void {
  for (const metric of METRICS) {
    const { label, read } = metric;
    const config = {
      name: `lectern_channel_${metric.name}`,
      help: metric.help,
      labelNames: label === undefined ? ['channel'] : ['channel', label],
      registers: [registry],
    };
    const each = (give: (labels: Record<string, string>, value: number) => void) => {
      for (const figures of channels()) {
        const { channel } = figures.info;
        const values = read(figures);
        if (typeof values === 'number') give({ channel }, values);
        else if (label !== undefined)
          for (const [name, value] of values ?? []) give({ channel, [label]: name }, value);
      }
    };
    if (metric.kind === 'gauge') {
      new Gauge({
        ...config,
        collect() {
          this.reset();
          each((labels, value) => this.set(labels, value));
        },
      });
    } else {
      new Counter({
        ...config,
        collect() {
          this.reset();
          each((labels, value) => this.inc(labels, value));
        },
      });
    }
  }
}

export interface Machine {
  disk(): Promise<Disk>;
  mixingUsage(): Promise<MixingUsage>;
}

export function exposeMachine(registry: Registry, machine: Machine): void {
  const registers = [registry];
  const size = new Gauge({
    name: 'lectern_disk_size_bytes',
    help: 'Of the file system that the recordings are on.',
    registers,
  });
  new Gauge({
    name: 'lectern_disk_free_bytes',
    help: 'What is free of the file system that the recordings are on.',
    registers,
    async collect() {
      const { freeBytes, sizeBytes } = await machine.disk();
      this.set(freeBytes);
      size.set(sizeBytes);
    },
  });
  const workers = new Gauge({
    name: 'lectern_aac_workers',
    help: 'Worker threads that make AAC.',
    registers,
  });
  new Counter({
    name: 'lectern_aac_worker_cpu_seconds_total',
    help: 'Processor time of the workers that make AAC.',
    registers,
    async collect() {
      const usage = await machine.mixingUsage();
      this.reset();
      this.inc(usage.cpuS);
      workers.set(usage.workers);
    },
  });
}
