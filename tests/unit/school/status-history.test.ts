// The last hour of the figures: what is kept, what is summed, and what a restart does to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_SAMPLES, SAMPLE_EVERY_MS, StatusHistory } from '#shared/contract/status-history.ts';
import type { ChannelStatus } from '#shared/contract/status.ts';
import { History, type StatusReport } from '../../../school/status/history.ts';

const channel = (broadcast: string, over: Partial<ChannelStatus> = {}): ChannelStatus => ({
  channel: 'channel123',
  lesson: 'lesson1234',
  broadcast,
  title: 'Photosynthesis',
  state: 'live',
  startedAtMs: 1,
  durationMs: 60_000,
  notice: null,
  diskTrouble: null,
  inBps: 2e6,
  outBps: 9e6,
  fps: 30,
  viewers: { flv: 3, hls: 2, rtmp: 0, whep: 1 },
  lossRatio: 0,
  keyframeIntervalMs: 2_000,
  skewMs: 90,
  slowReaders: 0,
  firstFrame: { count: 5, p50Ms: 20, p95Ms: 90 },
  ...over,
});

const told = (atMs: number, over: Partial<StatusReport> = {}): StatusReport => ({
  atMs,
  services: [
    { name: 'gateway', vitals: { cpuS: atMs / 4_000, memoryBytes: 9e7, uptimeS: atMs / 1_000 } },
    { name: 'sfu', vitals: null },
  ],
  channels: [],
  rooms: null,
  disk: { freeBytes: 5e10, sizeBytes: 1e11, recordingsBytes: 0 },
  sound: null,
  ...over,
});

test('an hour is kept and no more, whatever the day', () => {
  const history = new History();
  const last = MAX_SAMPLES + 50;
  for (let index = 1; index <= last; index += 1) history.append(told(index * SAMPLE_EVERY_MS));
  const { samples } = StatusHistory.parse(history.since(0));
  assert.equal(samples.length, MAX_SAMPLES);
  assert.equal(samples.at(-1)?.atMs, last * SAMPLE_EVERY_MS);
  assert.equal(samples[0]?.atMs, (last - MAX_SAMPLES + 1) * SAMPLE_EVERY_MS);
});

test('classes are summed, each has its own line, and first frames are of those that had viewers', () => {
  const history = new History();
  const idle = { firstFrame: { count: 0, p50Ms: null, p95Ms: null }, viewers: { hls: 4 } };
  history.append(
    told(10_000, {
      channels: [
        channel('broadcast1'),
        channel('broadcast2', { firstFrame: { count: 1, p50Ms: 40, p95Ms: 300 } }),
        channel('broadcast3', idle),
      ],
    }),
  );
  const [sample] = StatusHistory.parse(history.since(0)).samples;
  assert.deepEqual(sample?.sums, {
    inBps: 6e6,
    outBps: 27e6,
    viewers: { flv: 6, hls: 8, rtmp: 0, whep: 2 },
    firstFrame: { p50Ms: 40, p95Ms: 300 },
    diskFreeBytes: 5e10,
  });
  assert.deepEqual(sample?.channels.broadcast3, { inBps: 2e6, outBps: 9e6, viewers: 4 });
});

test('processor time is always known: between samples, and since the start before that or after a restart', () => {
  const history = new History();
  const vitals = (cpuS: number, uptimeS: number) => ({ cpuS, memoryBytes: 1, uptimeS });
  assert.equal(history.cpu('gateway', vitals(5, 50), 50_000), 0.1);
  history.append(told(60_000, { services: [{ name: 'gateway', vitals: vitals(10, 60) }] }));
  assert.equal(history.cpu('gateway', vitals(12.5, 65), 65_000), 0.5);
  // A new process that has used more than the old one had by then.
  assert.equal(history.cpu('gateway', vitals(16, 4), 90_000), 4);
  assert.equal(history.cpu('gateway', vitals(0, 0), 90_000), 0);
});

test('what did not answer leaves a gap, not a zero', () => {
  const history = new History();
  history.append(told(10_000, { disk: null }));
  const [sample] = StatusHistory.parse(history.since(0)).samples;
  assert.equal(sample?.sums, null);
  assert.equal(sample?.services.sfu, undefined);
});
