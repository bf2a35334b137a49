// The index of a recording that is being written. Every line goes where it belongs, so that a write that
// was cut short by a full disk is simply made again, and what somebody took away is restored.
import { constants, open, type FileHandle } from 'node:fs/promises';
import { writeAtomically } from '#server/atomic-file.ts';

export class IndexFile {
  readonly #path: string;
  readonly #whole: () => string;
  /** How long it is; undefined until it was first written by this process. */
  #bytes: number | undefined;

  /** `whole` gives all lines that a complete index has now. */
  constructor(path: string, whole: () => string) {
    this.#path = path;
    this.#whole = whole;
  }

  /** Adds `lines`. Rejects with the system's error; then nothing was added, and it may be tried again. */
  async append(lines: string): Promise<void> {
    let file = await this.#open();
    try {
      const { size } = await file.stat();
      if (this.#bytes === undefined || size < this.#bytes) {
        await file.close();
        await this.#restore();
        file = await this.#open();
      } else if (size > this.#bytes) {
        await file.truncate(this.#bytes);
      }
      const bytes = Buffer.from(lines);
      await writeAt(file, bytes, this.#bytes ?? 0);
      this.#bytes = (this.#bytes ?? 0) + bytes.length;
    } finally {
      await file.close();
    }
  }

  #open(): Promise<FileHandle> {
    return open(this.#path, constants.O_RDWR | constants.O_CREAT);
  }

  /** Puts the whole index where there was none, or not all of it. */
  async #restore(): Promise<void> {
    const text = this.#whole();
    await writeAtomically(this.#path, text);
    this.#bytes = Buffer.byteLength(text);
  }
}

/** Writes all of `bytes`; a full disk may take a part of them before it says so. */
async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
