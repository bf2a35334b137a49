// One segment or init segment, out of memory or off the disk.
import type { Cipheriv } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LecternError } from '#shared/contract/errors.ts';
import { isErrno } from '#server/secrets.ts';
import {
  initFile,
  parseInitFile,
  parseSegmentFile,
  segmentFile,
  type SegmentName,
  type SegmentTimeline,
} from '../store/segment-timeline.ts';
import { fileBody, memoryBody, sendRanged, type RangedBody } from '../servers/http/http-media.ts';
import { encryptedBytes } from '../servers/hls/encryption.ts';
import { AUDIO } from './rendition-id.ts';

/** Where segments come from. */
export interface SegmentSource {
  readonly dir: string;
  readonly timeline: SegmentTimeline;
  /** The newest are in memory. */
  inMemory?(name: string): readonly Uint8Array[] | undefined;
  /** Encrypts segment `n`; absent where segments go out as they are. */
  readonly cipherFor?: ((n: number) => Cipheriv) | undefined;
  /** A file that should be there is not. */
  missing(): void;
}

/**
 * Sends the file `name`. It never changes, so caches may keep it forever.
 * Throws LecternError `not-found`, also for a segment whose row is not complete. Returns the bytes sent.
 */
export async function sendMediaFile(
  request: IncomingMessage,
  response: ServerResponse,
  source: SegmentSource,
  name: string,
): Promise<number> {
  const at = parseSegmentFile(name);
  // Only what the timeline knows, as it writes it, is looked for on disk: a file that is not there costs a look at all.
  const isThere = at === undefined ? isKnownInit(source, name) : isComplete(source, at, name);
  if (!isThere) throw new LecternError('not-found');
  const headers = {
    'content-type': at?.label === AUDIO ? 'audio/mp4' : 'video/mp4',
    'cache-control': 'public, max-age=31536000, immutable',
  };
  if (at !== undefined && source.cipherFor !== undefined) {
    return sendEncrypted(request, response, source, name, source.cipherFor(at.n), headers);
  }
  return sendRanged(request, response, await bodyOf(source, name), headers);
}

/** Sends the key of a broadcast; nobody may keep it for others. */
export function sendKey(response: ServerResponse, key: Buffer): Promise<number> {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': key.length,
    'cache-control': 'private, no-store',
  });
  response.end(key);
  return Promise.resolve(0);
}

/** Whole, without ranges: the middle of what was encrypted is not where it was before. */
async function sendEncrypted(
  request: IncomingMessage,
  response: ServerResponse,
  source: SegmentSource,
  name: string,
  cipher: Cipheriv,
  headers: Record<string, string>,
): Promise<number> {
  const parts = source.inMemory?.(name);
  const path = join(source.dir, name);
  const plainBytes = parts?.reduce((sum, part) => sum + part.length, 0) ?? (await sizeOf(source, name));
  const size = encryptedBytes(plainBytes);
  response.writeHead(200, { ...headers, 'content-length': size });
  if (request.method === 'HEAD') {
    response.end();
    return 0;
  }
  await pipeline(parts === undefined ? createReadStream(path) : Readable.from(parts), cipher, response);
  return size;
}

function isKnownInit({ timeline }: SegmentSource, name: string): boolean {
  const init = parseInitFile(name);
  return init !== undefined && initFile(init) === name && timeline.inits.has(init);
}

function isComplete({ timeline, inMemory }: SegmentSource, { n, label }: SegmentName, name: string): boolean {
  if (segmentFile(n, label) !== name) return false;
  if (timeline.isAbsent(n) && inMemory?.(segmentFile(n, label)) === undefined) return false;
  const first = timeline.rows[0]?.n ?? 1;
  return timeline.rows[n - first]?.segments[label] !== undefined;
}

async function bodyOf(source: SegmentSource, name: string): Promise<RangedBody> {
  const parts = source.inMemory?.(name);
  if (parts !== undefined) return memoryBody(parts);
  return fileBody(join(source.dir, name), await sizeOf(source, name));
}

async function sizeOf(source: SegmentSource, name: string): Promise<number> {
  try {
    return (await stat(join(source.dir, name))).size;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    source.missing();
    throw new LecternError('not-found');
  }
}
