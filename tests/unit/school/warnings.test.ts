// Which figures make a warning, and in which order an operator reads them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChannelStatus, GatewayStatus, SfuStatus } from '#shared/contract/status.ts';
import { warningsOf } from '../../../school/status/warnings.ts';

const GIB = 2 ** 30;
const vitals = { cpuS: 1, memoryBytes: 1e8, uptimeS: 60 };
const sfu: SfuStatus = {
  vitals,
  rooms: 1,
  people: 2,
  whepViewers: {},
  workers: 2,
  workerDeaths: 0,
  outbox: 0,
};
const gateway: GatewayStatus = {
  vitals,
  channels: [],
  disk: { freeBytes: 200 * GIB, sizeBytes: 500 * GIB, recordingsBytes: GIB },
  sound: { workers: 1, cpuS: 3, lagMs: 4 },
  outbox: 0,
};
const channel: ChannelStatus = {
  channel: 'channel123',
  lesson: 'lesson1234',
  broadcast: 'broadcast1',
  title: 'Photosynthesis',
  state: 'live',
  startedAtMs: 1,
  durationMs: 60_000,
  notice: null,
  diskTrouble: null,
  inBps: 2e6,
  outBps: 9e6,
  fps: 30,
  viewers: { flv: 3, hls: 2, rtmp: 0 },
  lossRatio: 0.001,
  keyframeIntervalMs: 2_000,
  skewMs: 90,
  slowReaders: 0,
  firstFrame: { count: 5, p50Ms: 20, p95Ms: 90 },
};
const codes = (facts: Parameters<typeof warningsOf>[0]) => warningsOf(facts).map(({ code }) => code);
const ofClass = (over: Partial<ChannelStatus>) =>
  codes({ sfu, gateway: { ...gateway, channels: [{ ...channel, ...over }] } });

test('where all is well nothing is said', () => {
  assert.deepEqual(codes({ gateway, sfu }), []);
  assert.deepEqual(ofClass({}), []);
});

test('services that do not answer come first, and the rest is still looked at', () => {
  assert.deepEqual(warningsOf({ gateway: undefined, sfu: { ...sfu, workerDeaths: 2 } }), [
    { code: 'service-down', service: 'gateway' },
    { code: 'worker-died', service: 'sfu', value: 2 },
  ]);
  assert.deepEqual(codes({ gateway: undefined, sfu: undefined }), ['service-down', 'service-down']);
});

test('a disk is low by what is left of it, not by its size alone', () => {
  const disk = (freeGib: number, sizeGib: number) =>
    codes({
      sfu,
      gateway: {
        ...gateway,
        disk: { freeBytes: freeGib * GIB, sizeBytes: sizeGib * GIB, recordingsBytes: 0 },
      },
    });
  assert.deepEqual(disk(9, 500), ['disk-low']);
  assert.deepEqual(disk(40, 500), [], 'a tenth of a large disk is plenty');
  assert.deepEqual(disk(8, 20), [], 'so is nearly half of a small one');
  assert.deepEqual(disk(0.2, 500), ['disk-full']);
});

test('each trouble of a class has its warning, with the name of the class', () => {
  assert.deepEqual(ofClass({ state: 'interrupted', lossRatio: 0.5 }), ['source-gone']);
  assert.deepEqual(ofClass({ lossRatio: 0.05 }), ['packet-loss']);
  assert.deepEqual(ofClass({ keyframeIntervalMs: 20_000 }), ['keyframes-rare']);
  assert.deepEqual(ofClass({ skewMs: -900 }), ['skew']);
  assert.deepEqual(ofClass({ slowReaders: 12 }), ['viewers-slow']);
  const [note] = warningsOf({
    sfu,
    gateway: { ...gateway, channels: [{ ...channel, notice: 'converted' }] },
  });
  assert.deepEqual(note, {
    code: 'class-notice',
    notice: 'converted',
    lesson: 'lesson1234',
    title: 'Photosynthesis',
  });
});

test('sound that lags and events that pile up are told', () => {
  assert.deepEqual(codes({ sfu, gateway: { ...gateway, sound: { ...gateway.sound, lagMs: 900 } } }), [
    'sound-late',
  ]);
  assert.deepEqual(codes({ gateway, sfu: { ...sfu, outbox: 5_000 } }), ['events-waiting']);
});
