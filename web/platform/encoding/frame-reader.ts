// Reads the frames of one track at a time.
import { expected } from '#shared/expected.ts';

/** Reads the newest stream that it was given. Each frame is closed once `onFrame` is done with it. `close()` is final. */
export class FrameReader<T extends VideoFrame | AudioData> {
  readonly #onFrame: (frame: T) => void;
  #reader: ReadableStreamDefaultReader<T> | undefined;
  #closed = false;

  constructor(onFrame: (frame: T) => void) {
    this.#onFrame = onFrame;
  }

  /** Reads these from now on, in place of those before; null reads nothing. */
  read(frames: ReadableStream<T> | null): void {
    void this.#reader?.cancel().catch(expected('closed already'));
    this.#reader = frames?.getReader();
    if (this.#reader !== undefined) void this.#run(this.#reader);
  }

  close(): void {
    this.#closed = true;
    this.read(null);
  }

  async #run(reader: ReadableStreamDefaultReader<T>): Promise<void> {
    for (;;) {
      const { done, value: frame } = await reader.read().catch(() => ({ done: true, value: undefined }));
      if (done || frame === undefined) return;
      if (reader === this.#reader && !this.#closed) this.#onFrame(frame);
      frame.close();
    }
  }
}
