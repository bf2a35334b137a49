// The sample table of one track of a progressive MP4, built sample by sample in little memory.
// ISO/IEC 14496-12 §8.5 to §8.7.
import { box, fullBox, sampleDescriptions } from './boxes.ts';
import { ByteWriter } from './bytes.ts';
import type { AudioConfig, AvcConfig } from './frame.ts';

/** The largest offset that `stco` can hold. */
const MAX_STCO_OFFSET = 2 ** 32 - 1;

/** A table (`stts`, `ctts`) where equal neighbours are one row with a count of its own. */
class RunTable {
  readonly #rows = new ByteWriter(4096);
  #rowCount = 0;
  #value = 0;
  #run = 0;

  add(value: number): void {
    if (this.#run > 0 && value === this.#value) {
      this.#run += 1;
      return;
    }
    this.#flush();
    this.#value = value;
    this.#run = 1;
  }

  finish(type: string, version: number): Uint8Array {
    this.#flush();
    return countedBox(type, version, this.#rowCount, this.#rows);
  }

  #flush(): void {
    if (this.#run === 0) return;
    this.#rows
      .u32(this.#run) // sample_count
      .u32(this.#value); // sample_delta or sample_offset
    this.#rowCount += 1;
    this.#run = 0;
  }
}

/** Collects the samples of one track in decoding order, chunk by chunk. */
export class SampleTable {
  readonly #kind: 'video' | 'audio';
  readonly #configs: (AvcConfig | AudioConfig)[] = [];
  readonly #durations = new RunTable();
  readonly #shifts = new RunTable();
  #shifted = false;
  readonly #sizes = new ByteWriter(65_536);
  #count = 0;
  readonly #keys = new ByteWriter(4096);
  #keyCount = 0;
  readonly #chunkRows = new ByteWriter(4096);
  #chunkRowCount = 0;
  #chunks = 0;
  #chunkSamples = 0;
  #chunkConfig = 0;
  /** Of the latest row of the chunk table. */
  #rowSamples = 0;
  #rowConfig = 0;
  #firstDtsTicks = 0;
  #lastDtsTicks = 0;
  #lastDurationTicks = 0;
  #firstShownTicks = 0;
  #shownUntilTicks = 0;

  constructor(kind: 'video' | 'audio') {
    this.#kind = kind;
  }

  get sampleCount(): number {
    return this.#count;
  }

  get chunkCount(): number {
    return this.#chunks;
  }

  /** From the first decoding time to the end of the last sample. */
  get durationTicks(): number {
    return this.#count === 0 ? 0 : this.#lastDtsTicks + this.#lastDurationTicks - this.#firstDtsTicks;
  }

  /** From the first picture or sound to the end of what is shown last; with B-frames not the same. */
  get shownTicks(): number {
    return this.#shownUntilTicks - this.#firstShownTicks;
  }

  /** Presentation minus decoding time of the first sample. */
  get startShiftTicks(): number {
    return this.#firstShownTicks - this.#firstDtsTicks;
  }

  /** Begins the next chunk; all its samples are of `config`, which is recognised by identity. */
  startChunk(config: AvcConfig | AudioConfig): void {
    this.#endChunk();
    let index = this.#configs.indexOf(config);
    if (index < 0) index = this.#configs.push(config) - 1;
    this.#chunkConfig = index + 1;
    this.#chunks += 1;
  }

  /**
   * Adds a sample to the chunk. Its duration lasts to the next one's decoding time, so a gap between
   * fragments stays; a sample whose decoding time does not go on is moved behind the one before:
   * demuxers complain of two at one time.
   */
  add(sample: {
    readonly dtsTicks: number;
    readonly durationTicks: number;
    readonly ctsTicks: number;
    readonly key: boolean;
    readonly sizeBytes: number;
  }): void {
    const { ctsTicks } = sample;
    const dtsTicks = this.#count === 0 ? sample.dtsTicks : Math.max(sample.dtsTicks, this.#lastDtsTicks + 1);
    if (this.#count === 0) {
      this.#firstDtsTicks = dtsTicks;
      this.#firstShownTicks = dtsTicks + ctsTicks;
    } else {
      this.#durations.add(dtsTicks - this.#lastDtsTicks);
    }
    this.#lastDtsTicks = dtsTicks;
    // A last sample without a duration would not be shown at all; it lasts as long as the one before.
    this.#lastDurationTicks = sample.durationTicks || this.#lastDurationTicks;
    this.#shownUntilTicks = Math.max(this.#shownUntilTicks, dtsTicks + ctsTicks + this.#lastDurationTicks);
    this.#shifts.add(ctsTicks);
    if (ctsTicks !== 0) this.#shifted = true;
    this.#sizes.u32(sample.sizeBytes); // entry_size
    this.#count += 1;
    this.#chunkSamples += 1;
    if (sample.key) {
      this.#keys.u32(this.#count); // sample_number
      this.#keyCount += 1;
    }
  }

  /**
   * Ends the table. The result makes `stbl` for the file offsets of the chunks, which may be asked
   * again with other offsets: its length depends only on whether they are `wide` (beyond 4 GiB).
   */
  finish(): (chunkOffsets: readonly number[], wide: boolean) => Uint8Array {
    this.#endChunk();
    if (this.#count > 0) this.#durations.add(this.#lastDurationTicks);
    const stsz = new ByteWriter(16)
      .u32(0) // sample_size: each its own
      .u32(this.#count); // sample_count
    const tables = [
      sampleDescriptions(this.#configs),
      this.#durations.finish('stts', 0),
      countedBox('stsc', 0, this.#chunkRowCount, this.#chunkRows),
      fullBox('stsz', 0, 0, stsz.finish(), this.#sizes.finish()),
    ];
    if (this.#shifted) tables.push(this.#shifts.finish('ctts', 1));
    if (this.#kind === 'video' && this.#keyCount < this.#count) {
      tables.push(countedBox('stss', 0, this.#keyCount, this.#keys));
    }
    return (chunkOffsets, wide) => box('stbl', ...tables, chunkOffsetBox(chunkOffsets, wide));
  }

  #endChunk(): void {
    if (this.#chunks === 0) return;
    if (this.#chunkSamples !== this.#rowSamples || this.#chunkConfig !== this.#rowConfig) {
      this.#chunkRows
        .u32(this.#chunks) // first_chunk
        .u32(this.#chunkSamples) // samples_per_chunk
        .u32(this.#chunkConfig); // sample_description_index
      this.#chunkRowCount += 1;
      this.#rowSamples = this.#chunkSamples;
      this.#rowConfig = this.#chunkConfig;
    }
    this.#chunkSamples = 0;
  }
}

/** True if a file of that size needs 64-bit chunk offsets. */
export function needsWideOffsets(fileBytes: number): boolean {
  return fileBytes > MAX_STCO_OFFSET;
}

function chunkOffsetBox(offsets: readonly number[], wide: boolean): Uint8Array {
  const rows = new ByteWriter(offsets.length * (wide ? 8 : 4));
  for (const offset of offsets) {
    if (wide)
      rows.u64(offset); // chunk_offset
    else rows.u32(offset);
  }
  return countedBox(wide ? 'co64' : 'stco', 0, offsets.length, rows);
}

function countedBox(type: string, version: number, count: number, rows: ByteWriter): Uint8Array {
  const head = new ByteWriter(16).u32(count); // entry_count
  return fullBox(type, version, 0, head.finish(), rows.finish());
}
