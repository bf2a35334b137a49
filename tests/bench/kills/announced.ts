// Watches the playlists of a class for what they promise: what was named once is never taken back, nor given to
// other media, whatever is killed.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PlaylistHistory, type SeenSegment } from '../../support/hls-rules.ts';

const RETRY_MS = 50;
/** Lengths are rounded in playlists. */
const ROUNDED_S = 0.002;

export interface AnnouncedWatch {
  /** What was wrong so far. */
  readonly faults: readonly string[];
  /** How many segments were named so far, of one rendition. */
  readonly segments: number;
  /** Ends it, and looks at everything once more. Resolves with all that was wrong. */
  stop(): Promise<readonly string[]>;
}

/** Watches all renditions of the multivariant playlist at `address` until it is stopped. */
export async function watchAnnounced(address: string): Promise<AnnouncedWatch> {
  const text = await (await fetch(address)).text();
  const uris = text
    .split('\n')
    .flatMap((line) =>
      line !== '' && !line.startsWith('#') ? [line] : (/URI="([^"]+)"/.exec(line)?.[1] ?? []),
    );
  const closing = new AbortController();
  const renditions = [...new Set(uris)].map(
    (uri) => new RenditionWatch(new URL(uri, address), closing.signal),
  );
  const watches = renditions.map((rendition) => rendition.watch());
  const faults = () => renditions.flatMap((rendition) => rendition.faults);
  return {
    get faults() {
      return faults();
    },
    get segments() {
      return Math.max(...renditions.map(({ history }) => history.segments.size));
    },
    async stop() {
      closing.abort();
      await Promise.all(watches);
      for (const rendition of renditions) await rendition.lookBack();
      return faults();
    },
  };
}

class RenditionWatch {
  readonly history = new PlaylistHistory();
  readonly faults: string[] = [];
  readonly #url: URL;
  readonly #signal: AbortSignal;
  /** By address, what segments were when they were named. */
  readonly #hashes = new Map<string, string>();

  constructor(url: URL, signal: AbortSignal) {
    this.#url = url;
    this.#signal = signal;
  }

  /** Asks for each part as soon as it is named. */
  async watch(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        this.#fault(this.history.see(await this.#load(this.#next())));
        await this.#hashNew();
      } catch {
        // Nothing answers now; what does may know less.
        await sleep(RETRY_MS);
        await this.#load(this.#url).then(
          (text) => this.#fault(this.history.see(text)),
          () => undefined,
        );
      }
    }
  }

  /** All segments that were named are what they were, and no shorter than the parts that were named of them. */
  async lookBack(): Promise<void> {
    for (const segment of this.history.segments.values()) {
      const { n, uri, durationS = 0, parts } = segment;
      const namedS = parts.reduce((sum, part) => sum + part.durationS, 0);
      if (uri !== undefined && durationS < namedS - ROUNDED_S)
        this.#fault([`segment ${n} lasts ${durationS} s, of which ${namedS.toFixed(3)} s had been named`]);
      const known = uri === undefined ? undefined : this.#hashes.get(uri);
      if (known !== undefined && (await this.#hashOf(segment).catch(String)) !== known)
        this.#fault([`segment ${n} is not what it was`]);
    }
  }

  #fault(found: readonly string[]): void {
    const name = this.#url.pathname.split('/').at(-1);
    this.faults.push(...found.map((fault) => `${name}: ${fault}`));
  }

  /** The address of the playlist that has the next part. */
  #next(): URL {
    const last = this.history.last?.segments.at(-1);
    const url = new URL(this.#url);
    if (last === undefined) return url;
    const isComplete = last.uri !== undefined;
    url.searchParams.set('_HLS_msn', String(isComplete ? last.n + 1 : last.n));
    url.searchParams.set('_HLS_part', String(isComplete ? 0 : last.parts.length));
    return url;
  }

  async #load(url: URL): Promise<string> {
    const response = await fetch(url, { signal: this.#signal });
    if (!response.ok) throw new Error(`${response.status}`);
    return response.text();
  }

  async #hashNew(): Promise<void> {
    for (const segment of this.history.last?.segments ?? []) {
      const { uri } = segment;
      if (uri !== undefined && !this.#hashes.has(uri)) this.#hashes.set(uri, await this.#hashOf(segment));
    }
  }

  async #hashOf({ uri = '' }: SeenSegment): Promise<string> {
    const response = await fetch(new URL(uri, this.#url));
    if (!response.ok) throw new Error(`${response.status}`);
    return createHash('sha1')
      .update(new Uint8Array(await response.arrayBuffer()))
      .digest('base64url');
  }
}
