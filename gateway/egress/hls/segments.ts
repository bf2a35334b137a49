// One segment or init segment, out of memory or off the disk.
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { LecternError } from '#shared/contract/errors.ts';
import { isErrno } from '#server/secrets.ts';
import { AUDIO, MEDIA_FILE, type Timeline } from '../../store/timeline.ts';
import { fileBody, memoryBody, sendRanged, type RangedBody } from '../http-media.ts';

/** Where segments come from. */
export interface SegmentSource {
  readonly dir: string;
  readonly timeline: Timeline;
  /** The newest are in memory. */
  inMemory?(name: string): readonly Uint8Array[] | undefined;
}

/**
 * Sends the file `name`. It never changes, so caches may keep it for ever.
 * Throws LecternError `not-found`, also for a segment whose row is not complete. Returns the bytes sent.
 */
export async function sendMediaFile(
  request: IncomingMessage,
  response: ServerResponse,
  source: SegmentSource,
  name: string,
): Promise<number> {
  if (!MEDIA_FILE.test(name)) throw new LecternError('not-found');
  const [, number, label] = /^(\d+)-(\w+)\.m4s$/.exec(name) ?? [];
  if (label !== undefined && !isComplete(source.timeline, Number(number), label)) {
    throw new LecternError('not-found');
  }
  const body = await bodyOf(source, name);
  return sendRanged(request, response, body, {
    'content-type': label === AUDIO ? 'audio/mp4' : 'video/mp4',
    'cache-control': 'public, max-age=31536000, immutable',
  });
}

function isComplete(timeline: Timeline, n: number, label: string): boolean {
  const first = timeline.rows[0]?.n ?? 1;
  return timeline.rows[n - first]?.segments[label] !== undefined;
}

async function bodyOf(source: SegmentSource, name: string): Promise<RangedBody> {
  const parts = source.inMemory?.(name);
  if (parts !== undefined) return memoryBody(parts);
  const path = join(source.dir, name);
  try {
    return fileBody(path, (await stat(path)).size);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new LecternError('not-found');
    throw error;
  }
}
