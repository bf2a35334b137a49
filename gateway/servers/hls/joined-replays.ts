// The recordings of one class as one replay: `/replay/parts-<recording>-<recording>/` and below. The signature covers
// the name, so it opens exactly the parts that the school named; the gateway only joins what is of one channel.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { LruMap } from '#shared/lru-map.ts';
import { JoinedTimeline } from '../../hls/joined-timeline.ts';
import { sendKey, sendMediaFile } from '../../hls/segments.ts';
import type { RecordingStore, Replay } from '../../store/recording-store.ts';
import type { SegmentTimeline } from '../../store/segment-timeline.ts';
import { KEY_NAME, type SegmentEncryption } from './encryption.ts';
import { segmentsOf, sendReplayPlaylist } from './replay-media.ts';

/** Those that were asked for last are kept joined: each segment is looked up in its whole. */
const KEPT = 8;

interface Joined {
  readonly whole: JoinedTimeline;
  /** What it was made of; something else is joined again. */
  readonly of: readonly { readonly timeline: SegmentTimeline; readonly absences: number }[];
}

export class JoinedReplays {
  readonly #store: RecordingStore;
  readonly #encryption: SegmentEncryption | undefined;
  readonly #kept = new LruMap<string, Joined>(KEPT);

  /** With `encryption`, the whole has one key of its own, and the numbers of its segments are its vectors. */
  constructor(store: RecordingStore, encryption?: SegmentEncryption) {
    this.#store = store;
    this.#encryption = encryption;
  }

  /**
   * Sends `/replay/<replay>/<name>`, `parts` being the recordings that `replay` names; returns the media bytes sent.
   * Throws LecternError `not-found` unless all of them are there, over, and of one channel.
   */
  async sendPart(
    request: IncomingMessage,
    response: ServerResponse,
    replay: string,
    parts: readonly string[],
    name: string,
    query: URLSearchParams,
  ): Promise<number> {
    const recordings = await this.#find(parts);
    const joined = this.#join(replay, recordings);
    const { timeline } = joined;
    if (timeline.playable.length === 0) throw new LecternError('not-found');
    const encryption = this.#encryption;
    const keyUri = encryption && KEY_NAME;
    const whole = { timeline, isOver: true, kept: () => undefined };
    if (await sendReplayPlaylist(request, response, whole, name, query, keyUri)) return 0;
    if (encryption !== undefined && name === KEY_NAME) return sendKey(response, encryption.keyOf(replay));
    const at = joined.locate(name);
    const recording = recordings[at?.part ?? -1];
    if (at === undefined || recording === undefined) throw new LecternError('not-found');
    const { n = 0 } = at;
    const cipherFor = encryption && (() => encryption.cipher(replay, n));
    return sendMediaFile(request, response, { ...segmentsOf(this.#store, recording), cipherFor }, at.file);
  }

  async #find(parts: readonly string[]): Promise<Replay[]> {
    const recordings: Replay[] = [];
    for (const part of parts) {
      const recording = await this.#store.replay(part);
      const { channel } = (recordings[0] ?? recording)?.info ?? {};
      if (recording?.isOver !== true || recording.info.channel !== channel)
        throw new LecternError('not-found');
      recordings.push(recording);
    }
    return recordings;
  }

  #join(replay: string, recordings: readonly Replay[]): JoinedTimeline {
    const known = this.#kept.get(replay);
    const isFresh = recordings.every(({ timeline }, index) => {
      const of = known?.of[index];
      return of?.timeline === timeline && of.absences === timeline.absences;
    });
    if (known !== undefined && isFresh) return known.whole;
    const whole = new JoinedTimeline(recordings.map(({ timeline }) => timeline));
    const of = recordings.map(({ timeline }) => ({ timeline, absences: timeline.absences }));
    this.#kept.set(replay, { whole, of });
    return whole;
  }
}
