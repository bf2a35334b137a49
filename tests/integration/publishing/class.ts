// A class of a whole Lectern, as a program publishes to it, and what is recorded of it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { publishPaths } from '#shared/contract/publish.ts';
import { Recording, type Lesson } from '#shared/contract/rest.ts';
import { FlvDemuxer, type FlvTag } from '#shared/media/flv.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { loadSecrets } from '#server/secrets.ts';
import { eventually, type Lectern } from '../../support/lectern.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';

/** Where to publish: the port, for another may stand in front of it, the path, and the stream key in it. */
export function placeOf(lectern: Lectern, lesson: Lesson): { port: number; path: string; streamKey: string } {
  const key = makePublishKey(loadSecrets(lectern.dataDir).playback, lesson.channel, lesson.id, 0);
  const { port } = new URL(lesson.play.rtmp.replace('rtmp:', 'http:'));
  const streamKey = publishPaths(lesson.channel, key).rtmpStreamKey;
  return { port: Number(port), path: `/live/${streamKey}`, streamKey };
}

/** Ends the class and keeps its MP4 in `file`, which is returned. */
export async function recordingOf(lectern: Lectern, lesson: Lesson, file: string): Promise<string> {
  await lectern.api('POST', `/lessons/${lesson.id}/end`);
  const url = await eventually(
    'the recording is ready',
    async () => {
      const list = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
      assert.ok(list.length <= 1, 'there is one recording');
      const [first] = list;
      return first?.state === 'ready' ? first.files.find(({ format }) => format === 'mp4')?.url : undefined;
    },
    30_000,
  );
  writeFileSync(file, new Uint8Array(await (await fetch(url)).arrayBuffer()));
  return file;
}

/** The tags of a film, as RTMP carries them. */
export function tagsOf(film: string): FlvTag[] {
  const args = ['-v', 'error', '-i', film, '-c', 'copy', '-f', 'flv', 'pipe:1'];
  return new FlvDemuxer().readBytes(execFileSync('ffmpeg', args, { maxBuffer: 64 * 1024 * 1024 }));
}

/** Publishes tags to the class, each so long after its own time as `delayMs` says; null leaves it out. */
export async function publishTags(
  lectern: Lectern,
  lesson: Lesson,
  tags: readonly FlvTag[],
  delayMs: (tag: FlvTag) => number | null,
): Promise<void> {
  const { port, streamKey } = placeOf(lectern, lesson);
  const client = await RtmpPublisherClient.open(port);
  assert.equal((await client.publish(streamKey))?.code, 'NetStream.Publish.Start');
  const sent = tags
    .flatMap((tag) => {
      const byMs = delayMs(tag);
      return byMs === null ? [] : [{ tag, atMs: tag.timestampMs + byMs }];
    })
    .sort((a, b) => a.atMs - b.atMs);
  const started = performance.now();
  for (const { tag, atMs } of sent) {
    const waitMs = atMs - (performance.now() - started);
    if (waitMs > 15) await sleep(waitMs);
    client.send(tag.type, tag.timestampMs, tag.body);
  }
  client.finish();
}
