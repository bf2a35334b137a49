// What Prometheus reads of the interactive plane, besides the process's own figures.
import { readdir } from 'node:fs/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
import { expected } from '#shared/expected.ts';
import { createMetrics } from '#server/service.ts';
import type { Workers } from './media/workers.ts';
import type { Rooms } from './room/rooms.ts';
import type { Refusals } from './signalling/refusals.ts';
import type { Tally } from './tally.ts';

export interface Measured {
  readonly rooms: Rooms;
  readonly workers: Workers;
  readonly sockets: () => number;
  readonly refusals: Refusals;
  /** Events that wait for `school`. */
  readonly outbox: () => number;
}

/** Makes the registry; every figure is read when somebody asks. */
export function sfuMetrics({ rooms, workers, sockets, refusals, outbox }: Measured): Registry {
  const registry = createMetrics('sfu');
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `lectern_sfu_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('rooms', 'Rooms in memory', () => rooms.count().rooms);
  gauge('peers', 'Peers in rooms, present or away', () => rooms.count().peers);
  gauge('waiting', 'People who wait to be let into a room', () => rooms.count().waiting);
  gauge('whep_viewers', 'Players that watch by WHEP', () => rooms.count().whepViewers);
  gauge('sockets', 'Signalling sockets', sockets);
  gauge('transports', 'mediasoup transports', () => workers.resources.counts.transports);
  gauge('producers', 'mediasoup producers', () => workers.resources.counts.producers);
  gauge('consumers', 'mediasoup consumers', () => workers.resources.counts.consumers);
  gauge('worker_deaths', 'Media workers that died', () => workers.deaths);
  gauge('outbox_events', 'Events that wait for school', outbox);
  const counter = (name: string, help: string, tally: Tally<string>) =>
    new Counter({
      name: `lectern_sfu_${name}_total`,
      help,
      labelNames: ['reason'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [reason, count] of tally.entries()) this.inc({ reason }, count);
      },
    });
  counter('sockets_cut', 'Signalling sockets that were cut off', refusals.cuts);
  counter('handshakes_refused', 'Sockets that were not let in', refusals.handshakes);
  counter('joins_refused', 'Joins that were refused', refusals.joins);
  counter('chat_refused', 'Chat messages that were refused', refusals.chat);
  counter('requests_refused', 'Other requests that were refused', refusals.others);
  const memory = new Gauge({
    name: 'lectern_sfu_worker_memory_bytes',
    help: 'Most resident memory of each media worker',
    labelNames: ['worker'],
    registers: [registry],
  });
  new Gauge({
    name: 'lectern_sfu_worker_cpu_seconds',
    help: 'CPU time of each media worker since its start',
    labelNames: ['worker'],
    registers: [registry],
    async collect() {
      for (const { index, cpuS, memoryBytes } of await workers.usage()) {
        this.set({ worker: index }, cpuS);
        memory.set({ worker: index }, memoryBytes);
      }
    },
  });
  new Gauge({
    name: 'lectern_sfu_worker_open_files',
    help: 'Open files of each media worker (Linux): mostly connections to its TCP port, silent ones too',
    labelNames: ['worker'],
    registers: [registry],
    async collect() {
      for (const [worker, pid] of workers.pids().entries()) {
        const files = await readdir(`/proc/${pid}/fd`).catch(expected('the worker is gone'));
        if (files !== undefined) this.set({ worker }, files.length);
      }
    },
  });
  return registry;
}
