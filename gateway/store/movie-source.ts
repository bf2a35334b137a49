// What a download is, and what it is made of: tracks of segment files, and reading their `moof` boxes without the media.
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { expected } from '#shared/expected.ts';
import { readBoxHeader } from '#shared/media/boxes.ts';
import { equalBytes, MalformedError } from '#shared/media/bytes.ts';
import { readMoof, type FragmentInfo, type SampleInfo } from '#shared/media/fmp4.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';

/** A file of `moof` and `mdat` boxes of one track, of which every sample is of `config`. */
export interface MovieSegment {
  readonly path: string;
  readonly config: AvcConfig | AudioConfig;
  /** By how much it is played earlier than its decoding times say, in µs; absent for not at all. */
  readonly earlierUs?: number;
}

/** Segments in the order of time. Decoding times are on one timeline for all tracks. */
export interface MovieTrack {
  readonly kind: 'video' | 'audio';
  readonly segments: readonly MovieSegment[];
}

/** A file that is put together while it is read. */
export interface VirtualFile {
  readonly size: number;
  /** A strong validator, in quotes as the header wants it. */
  readonly etag: string;
  readonly durationMs: number;
  /**
   * The bytes from `start` to before `end`. Files are open only while it is being read, and are closed
   * if the reader stops early. Throws RangeError for a range outside of the file, and what the disk
   * throws if a segment was deleted meanwhile.
   */
  stream(start?: number, end?: number): AsyncGenerator<Uint8Array, void, undefined>;
}

/** A `moof` of two seconds of video or audio is below this. */
const WINDOW_BYTES = 4096;
/** No `moof` of ours comes near. */
const MAX_MOOF_BYTES = 1024 * 1024;
/** How many files are read ahead: enough to hide the disk, few enough to leave it to others. */
const READ_AHEAD = 6;

/**
 * Reads where the samples of a segment file are. It touches about one page per fragment and stops at
 * the first that is incomplete or spoiled. A file that is gone has no fragments; other failures of the disk are thrown.
 */
export async function scanSegment(path: string): Promise<FragmentInfo[]> {
  const file = await openIfThere(path);
  if (!file) return [];
  const fragments: FragmentInfo[] = [];
  try {
    const { size } = await file.stat();
    let at = 0;
    while (at < size) {
      const found = await scanFragment(file, at, size);
      if (!found) break;
      if (found.fragment) fragments.push(found.fragment);
      at = found.end;
    }
    return fragments;
  } catch (error) {
    if (error instanceof MalformedError) return fragments;
    throw error;
  } finally {
    await file.close();
  }
}

/** The whole of a segment file; null if it is gone. */
export async function readSegment(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** The data of a sample that {@link scanSegment} found; null if the file is gone. */
export async function readSample(
  path: string,
  { offset, sizeBytes }: SampleInfo,
): Promise<Uint8Array | null> {
  const file = await openIfThere(path);
  if (!file) return null;
  try {
    return await readAt(file, offset, sizeBytes);
  } finally {
    await file.close();
  }
}

/** Applies `read` to the items in order, a few ahead of what is asked for. */
export async function* readAhead<T, R>(
  items: readonly T[],
  read: (item: T) => Promise<R>,
  ahead = READ_AHEAD,
): AsyncGenerator<{ item: T; result: R }> {
  const begun: { item: T; result: Promise<R> }[] = [];
  let next = 0;
  try {
    for (;;) {
      for (; next < items.length && begun.length < ahead; next += 1) {
        const item = items[next] as T;
        const result = read(item);
        // It is awaited in its turn; until then a failure must not count as unhandled.
        result.catch(expected('awaited in its turn'));
        begun.push({ item, result });
      }
      const first = begun.shift();
      if (!first) return;
      yield { item: first.item, result: await first.result };
    }
  } finally {
    // If the reader stops early, no file is left open behind its back.
    await Promise.allSettled(begun.map(({ result }) => result));
  }
}

/** Gives equal configurations the same object, so that identity tells a change. */
export class ConfigPool {
  readonly #configs: (AvcConfig | AudioConfig)[] = [];

  get size(): number {
    return this.#configs.length;
  }

  intern<C extends AvcConfig | AudioConfig>(config: C): C {
    const known = this.#configs.find((other) => other === config || isSame(other, config));
    if (known) return known as C;
    this.#configs.push(config);
    return config;
  }
}

function isSame(a: AvcConfig | AudioConfig, b: AvcConfig | AudioConfig): boolean {
  if (a.codec === 'h264' || b.codec === 'h264') {
    return a.codec === 'h264' && b.codec === 'h264' && equalBytes(a.record, b.record);
  }
  return a.codec === b.codec && a.sampleRate === b.sampleRate && equalBytes(a.description, b.description);
}

async function scanFragment(
  file: FileHandle,
  at: number,
  fileBytes: number,
): Promise<{ fragment: FragmentInfo | null; end: number } | null> {
  const page = await readAt(file, at, Math.min(WINDOW_BYTES, fileBytes - at));
  const header = readBoxHeader(page, 0);
  if (!header || at + header.sizeBytes > fileBytes) return null;
  const moofEnd = at + header.sizeBytes;
  if (header.type !== 'moof') return { fragment: null, end: moofEnd };
  if (header.sizeBytes > MAX_MOOF_BYTES) return null;
  const wanted = header.sizeBytes + 16;
  const head = page.length >= wanted ? page : await readAt(file, at, Math.min(wanted, fileBytes - at));
  const media = readBoxHeader(head, header.sizeBytes);
  if (!media || media.type !== 'mdat' || moofEnd + media.sizeBytes > fileBytes) return null;
  const fragment = readMoof(head.subarray(0, header.sizeBytes), at, media.sizeBytes);
  return { fragment, end: fragment.end };
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
