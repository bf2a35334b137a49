// The first picture of a row that needs no other.
import { join } from 'node:path';
import { MalformedError } from '#shared/media/bytes.ts';
import { readFragments } from '#shared/media/fmp4.ts';
import { NAL, readAvcc, writeAnnexB } from '#shared/media/nal.ts';
import { STILL } from '../hls/rendition-id.ts';
import { readSample, scanSegment } from './movie-source.ts';
import { segmentFile, type Row, type SegmentTimeline } from './segment-timeline.ts';

/** Where the media of a row are. */
export interface RowSource {
  readonly dir: string;
  readonly timeline: SegmentTimeline;
  /** The newest are in memory. */
  inMemory(name: string): readonly Uint8Array[] | undefined;
}

/** The smallest rendition of a row of which the picture moves; undefined if there is none. */
export const smallestOf = ({ slots }: Row) => slots.find((label) => label !== STILL);

/**
 * Reads it from the smallest rendition, as an H.264 byte stream with its parameter sets, and no more of the file than
 * that. Undefined where there is none, or no file any more; rejects with what the disk says.
 */
export async function readKeyFrame(source: RowSource, row: Row): Promise<Uint8Array | undefined> {
  const label = smallestOf(row);
  const config = label && source.timeline.inits.get(row.segments[label]?.init ?? -1);
  if (label === undefined || config?.codec !== 'h264') return undefined;
  const name = segmentFile(row.n, label);
  const data = await readFirstKey(source, name);
  if (data === undefined) return undefined;
  try {
    // Two pictures may be numbered alike: where the second begins is said.
    const delimiter = Uint8Array.of(NAL.aud, 0xf0);
    return writeAnnexB([delimiter, ...config.sets, ...readAvcc(data)]);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

async function readFirstKey({ dir, inMemory }: RowSource, name: string): Promise<Uint8Array | undefined> {
  const parts = inMemory(name);
  if (parts !== undefined) {
    const bytes = Buffer.concat(parts);
    const sample = firstKey(readFragments(bytes).fragments);
    return sample && bytes.subarray(sample.offset, sample.offset + sample.sizeBytes);
  }
  const path = join(dir, name);
  const sample = firstKey(await scanSegment(path));
  return (sample && (await readSample(path, sample))) ?? undefined;
}

const firstKey = (fragments: ReturnType<typeof readFragments>['fragments']) =>
  fragments.flatMap(({ samples }) => samples).find(({ key }) => key);
