// The owner's list of classes.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { EncoderView } from '#shared/contract/publish.ts';
import type { Lesson, Recording } from '#shared/contract/rest.ts';
import type { Api } from '../engine/api.ts';
import { codeOf } from './session.svelte.ts';

export type { Lesson, Recording };

export type LessonsState =
  { name: 'loading' } | { name: 'ready'; lessons: readonly Lesson[] } | { name: 'failed'; code: ErrorCode };

export type RecordingsState =
  | { name: 'loading' }
  | { name: 'ready'; recordings: readonly Recording[] }
  | { name: 'failed'; code: ErrorCode };

export class LessonsStore {
  #api: Api;
  #state = $state.raw<LessonsState>({ name: 'loading' });
  #encoders = $state.raw<Readonly<Record<string, EncoderView | null>>>({});
  #recordings = $state.raw<Readonly<Record<string, RecordingsState>>>({});

  constructor(api: Api) {
    this.#api = api;
  }

  get state(): LessonsState {
    return this.#state;
  }

  /** The recordings of a class; `loading` until `loadRecordings` has them. */
  recordings(lesson: string): RecordingsState {
    return this.#recordings[lesson] ?? { name: 'loading' };
  }

  /** What was published to a class when `loadEncoder` looked last; null if nothing was. */
  encoder(lesson: string): EncoderView | null {
    return this.#encoders[lesson] ?? null;
  }

  async loadEncoder(lesson: string): Promise<void> {
    try {
      const { encoder } = await this.#api.encoder(lesson);
      this.#encoders = { ...this.#encoders, [lesson]: encoder };
    } catch {
      // Nobody can tell, so nothing is said.
      this.#encoders = { ...this.#encoders, [lesson]: null };
    }
  }

  /** Reads the list anew. What is shown stays until the answer is there; a failure replaces only nothing. */
  async load(): Promise<void> {
    if (this.#state.name === 'failed') this.#state = { name: 'loading' };
    try {
      const lessons = await this.#api.lessons();
      this.#state = { name: 'ready', lessons: lessons.toSorted((a, b) => b.createdAtMs - a.createdAtMs) };
    } catch (error) {
      if (this.#state.name !== 'ready') this.#state = { name: 'failed', code: codeOf(error) };
    }
  }

  async loadRecordings(lesson: string): Promise<void> {
    const set = (state: RecordingsState) => (this.#recordings = { ...this.#recordings, [lesson]: state });
    try {
      const recordings = await this.#api.recordings(lesson);
      set({ name: 'ready', recordings: recordings.toSorted((a, b) => b.startedAtMs - a.startedAtMs) });
    } catch (error) {
      if (this.recordings(lesson).name !== 'ready') set({ name: 'failed', code: codeOf(error) });
    }
  }

  /** Creates a class. Rejects with a LecternError. */
  async create(title: string): Promise<Lesson> {
    const lesson = await this.#api.createLesson(title);
    if (this.#state.name === 'ready') {
      this.#state = { name: 'ready', lessons: [lesson, ...this.#state.lessons] };
    }
    return lesson;
  }

  /** Ends a class for everyone in it. Rejects with a LecternError. */
  async end(lesson: string): Promise<void> {
    await this.#api.endLesson(lesson);
    await this.load();
  }

  /** Replaces the stream key of a class. Rejects with a LecternError. */
  async newPublishKey(lesson: string): Promise<void> {
    const renewed = await this.#api.newPublishKey(lesson);
    if (this.#state.name !== 'ready') return;
    const lessons = this.#state.lessons.map((one) => (one.id === lesson ? renewed : one));
    this.#state = { name: 'ready', lessons };
  }

  /** Deletes a class and all that was recorded of it. Rejects with a LecternError. */
  async remove(lesson: string): Promise<void> {
    await this.#api.deleteLesson(lesson);
    if (this.#state.name === 'ready') {
      this.#state = { name: 'ready', lessons: this.#state.lessons.filter(({ id }) => id !== lesson) };
    }
  }
}
