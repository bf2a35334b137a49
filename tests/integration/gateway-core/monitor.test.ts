// The figures of each channel on air, for Prometheus and for the console: there while it is on air, and true.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import type { ChannelStatus } from '#shared/contract/status.ts';
import { internalClient } from '#server/internal-client.ts';
import { createLog } from '#server/log.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { loadSecrets, type Secrets } from '#server/secrets.ts';
import { readSettings } from '#server/settings.ts';
import { startGateway, type RunningGateway } from '../../../gateway/app.ts';
import { eventually } from '../../support/lectern.ts';
import { audioTrack, CHANNEL, feedOf, movingClass, startSender, videoTrack, type Sender } from './harness.ts';

let data: string;
let secrets: Secrets;
let gateway: RunningGateway;
let sender: Sender;
let origin: string;
const timers: NodeJS.Timeout[] = [];

before(async () => {
  data = mkdtempSync(join(tmpdir(), 'lectern-monitor-'));
  secrets = loadSecrets(data);
  const settings = readSettings({
    LECTERN_DATA: data,
    LECTERN_HOST: '127.0.0.1',
    LECTERN_GATEWAY_PORT: '0',
    LECTERN_RTMP_PORT: '0',
    LECTERN_INGEST_PORT: '0',
    LECTERN_SCHOOL_URL: 'http://127.0.0.1:1',
    LECTERN_LOG: 'silent',
  });
  gateway = await startGateway(settings, secrets, createLog(settings.log.level, 'gateway'));
  origin = `http://127.0.0.1:${gateway.ports.http}`;
  sender = await startSender({ file: movingClass(), port: gateway.ports.ingest, unkind: { lose: 0.005 } });
});
after(async () => {
  timers.forEach(clearInterval);
  await sender.close();
  await gateway.close();
  rmSync(data, { recursive: true, force: true });
});

const internal = () => internalClient(INTERNAL.gateway, () => [origin], secrets.internal);
const status = () => internal().status();

/** Every sample of `name`, by its labels. */
async function samples(name: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${origin}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return Object.fromEntries(
    lines.map((line) => {
      const [, labels = '', value = ''] = /^\S+?(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const own = labels.split(',').filter((label) => label !== 'service="gateway"');
      return [own.join(','), Number(value)];
    }),
  );
}

const ofChannel = (labels: string) => labels.includes(`channel="${CHANNEL}"`);

test('nobody but the services is told', async () => {
  const response = await fetch(`${origin}/internal/status`);
  assert.equal(response.status, 401);
});

test('a quiet gateway tells of its disk, its workers and no channel', async () => {
  const { channels, disk, sound, vitals } = await status();
  assert.deepEqual(channels, []);
  assert.ok(disk.freeBytes > 0 && disk.sizeBytes > disk.freeBytes);
  assert.equal(sound.workers, 1);
  assert.ok(vitals.memoryBytes > 10e6 && vitals.cpuS > 0);
  assert.deepEqual(await samples('lectern_channel_viewers'), {});
  assert.ok(((await samples('lectern_disk_free_bytes'))[''] ?? 0) > 0);
});

test('a class on air is measured: what comes in, what goes out, to whom, and how it keeps time', async () => {
  const feed = feedOf(sender.from, [videoTrack(), audioTrack()]);
  const put = () => internal().feedChannel({ params: { channel: CHANNEL }, body: feed });
  await put();
  timers.push(setInterval(() => void put().catch(() => undefined), 1_000));
  await eventually('live', async () => (await put()).state === 'live');
  const query = signPlayback(
    secrets.playback,
    'play',
    `/live/${CHANNEL}`,
    Math.floor(Date.now() / 1_000) + 60,
  );
  const leaving = new AbortController();
  const watching = await fetch(`${origin}/live/${CHANNEL}.flv?${query}`, { signal: leaving.signal });
  const reader = watching.body?.getReader();
  let taken = 0;
  void (async () => {
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read())
      taken += piece.value.length;
  })().catch(() => undefined);
  const told = await eventually<ChannelStatus>('figures of six seconds', async () => {
    const [channel] = (await status()).channels;
    return channel !== undefined && channel.durationMs > 6_000 && channel.outBps > 0 && channel;
  });
  assert.equal(told.state, 'live');
  assert.equal(told.title, 'A class');
  // ffmpeg sends 1.2 Mbit/s of video and 64 kbit/s of sound, more or less.
  assert.ok(told.inBps > 300_000 && told.inBps < 4_000_000, `${told.inBps} bit/s in`);
  assert.ok(told.outBps > 200_000, `${told.outBps} bit/s out`);
  assert.ok(told.fps > 10 && told.fps < 40, `${told.fps} pictures per second`);
  assert.deepEqual(told.viewers, { ...told.viewers, flv: 1, rtmp: 0 });
  assert.ok(told.lossRatio > 0 && told.lossRatio < 0.1, `${told.lossRatio} lost`);
  assert.ok((told.keyframeIntervalMs ?? 0) >= 900, `a key frame each ${told.keyframeIntervalMs} ms`);
  assert.ok(Math.abs(told.skewMs ?? Infinity) < 400, `${told.skewMs} ms of skew`);
  assert.equal(told.firstFrame.count, 1);
  assert.ok((told.firstFrame.p95Ms ?? Infinity) < 10_000);

  const viewers = await samples('lectern_channel_viewers');
  assert.equal(viewers[`channel="${CHANNEL}",protocol="flv"`], 1, JSON.stringify(viewers));
  const out = await samples('lectern_channel_out_bytes_total');
  assert.ok((out[`channel="${CHANNEL}",protocol="flv"`] ?? 0) >= taken * 0.5 && taken > 100_000);
  const frames = await samples('lectern_channel_frames_total');
  assert.ok((frames[`channel="${CHANNEL}",kind="video"`] ?? 0) > 30);
  assert.ok((frames[`channel="${CHANNEL}",kind="audio"`] ?? 0) > 100);
  assert.deepEqual(await samples('lectern_channel_state'), { [`channel="${CHANNEL}",state="live"`]: 1 });
  assert.ok(((await samples('lectern_channel_lost_packets_total'))[`channel="${CHANNEL}"`] ?? 0) > 0);
  assert.equal((await samples('lectern_channel_first_frame_seconds_count'))[`channel="${CHANNEL}"`], 1);
  assert.ok(((await samples('lectern_aac_worker_cpu_seconds_total'))[''] ?? 0) > 0);
  const packets = (await samples('lectern_ingest_packets_total'))[''] ?? 0;
  assert.ok(packets > 200, `${packets} packets`);
  leaving.abort();
});

test('a class that is over leaves no label behind, and the sums stay', async () => {
  const before = (await samples('lectern_ingest_packets_total'))[''] ?? 0;
  timers.forEach(clearInterval);
  await internal().endBroadcast({ params: { channel: CHANNEL } });
  await eventually('no channel on air', async () => (await status()).channels.length === 0);
  const text = await (await fetch(`${origin}/metrics`)).text();
  assert.deepEqual(text.split('\n').filter(ofChannel), []);
  assert.ok(((await samples('lectern_ingest_packets_total'))[''] ?? 0) >= before);
});
