// Finds sound and picture that reach us further apart than they are brought together again.
import { MAX_APART_MS } from '#shared/contract/publisher-notice.ts';

/** So long it has to last, in µs: after a stall both kinds come late for a moment. */
const LASTS_US = 3_000_000;
/** Once it was said, they are apart until they are this much nearer, in µs. */
const NEARER_US = 1_000_000;
/** A kind of which nothing came for so long is not compared, in µs. */
const STALE_US = 1_000_000;

type Kind = 'audio' | 'video';

export class Skew {
  readonly #last: Record<Kind, { readonly behindUs: number; readonly nowUs: number } | undefined> = {
    audio: undefined,
    video: undefined,
  };
  #late: Kind | null = null;
  #sinceUs: number | undefined;

  /**
   * Takes the arrival of something that belongs at `timelineUs`, at `nowUs` of the same timeline. Returns the kind
   * that is late by too much, if one is.
   */
  note(kind: Kind, timelineUs: number, nowUs: number): Kind | null {
    this.#last[kind] = { behindUs: nowUs - timelineUs, nowUs };
    const other = this.#last[kind === 'audio' ? 'video' : 'audio'];
    if (other === undefined || nowUs - other.nowUs > STALE_US) {
      this.#sinceUs = undefined;
      return this.#late;
    }
    const apartUs = nowUs - timelineUs - other.behindUs;
    const limitUs = MAX_APART_MS * 1_000 - (this.#late === null ? 0 : NEARER_US);
    const isApart = Math.abs(apartUs) > limitUs;
    if (isApart === (this.#late !== null)) {
      this.#sinceUs = undefined;
      return this.#late;
    }
    this.#sinceUs ??= nowUs;
    if (nowUs - this.#sinceUs < LASTS_US) return this.#late;
    this.#sinceUs = undefined;
    const later = apartUs > 0 ? kind : kind === 'audio' ? 'video' : 'audio';
    this.#late = isApart ? later : null;
    return this.#late;
  }
}
