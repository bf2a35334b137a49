// The owner's list of classes.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { EncoderView } from '#shared/contract/publish.ts';
import type { Lesson, Recording, RecordingPatch } from '#shared/contract/rest.ts';
import type { Split } from '#shared/contract/split.ts';
import type { RecordingMode } from '#shared/domain/recording.ts';
import type { Api } from '../engine/api.ts';

export type { Lesson, Recording };

export type LessonsState =
  | { name: 'loading' }
  /** `hasMore`: there are older ones that are not shown. */
  | { name: 'ready'; lessons: readonly Lesson[]; hasMore: boolean }
  | { name: 'failed'; code: ErrorCode };

/** How many are shown at first, and with each press for more. */
const PAGE = 50;
/** As many as the server gives at once. */
const PAGE_MAX = 200;

export type RecordingsState =
  | { name: 'loading' }
  | { name: 'ready'; recordings: readonly Recording[] }
  | { name: 'failed'; code: ErrorCode };

export class LessonsStore {
  #api: Api;
  #state = $state.raw<LessonsState>({ name: 'loading' });
  #encoders = $state.raw<Readonly<Record<string, EncoderView | null>>>({});
  #recordings = $state.raw<Readonly<Record<string, RecordingsState>>>({});

  #search = $state('');
  #shown = PAGE;
  /** Counts the questions for the list: an answer to an older one is dropped. */
  #asked = 0;
  /** The same for the recordings of each class. */
  readonly #recordingsAsked = new Map<string, number>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** The words that the titles of the list have; empty for all. */
  get search(): string {
    return this.#search;
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

  /** Reads the list again. What is shown stays until the answer is there; a failure replaces only nothing. */
  async load(): Promise<void> {
    if (this.#state.name === 'failed') this.#state = { name: 'loading' };
    this.#asked += 1;
    const asked = this.#asked;
    const [search, shown] = [this.#search, this.#shown];
    try {
      const lessons: Lesson[] = [];
      let hasMore = true;
      while (hasMore && lessons.length < shown) {
        const limit = Math.min(PAGE_MAX, shown - lessons.length);
        const page = await this.#api.lessons(limit, search, lessons.at(-1)?.createdAtMs);
        lessons.push(...page);
        hasMore = page.length === limit;
      }
      if (asked === this.#asked) this.#state = { name: 'ready', lessons, hasMore };
    } catch (error) {
      if (asked !== this.#asked) return;
      const code = codeOf(error);
      // Who is no longer the owner sees nothing more; a network that fails leaves what there was.
      if (this.#state.name !== 'ready' || code === 'unauthorized') this.#state = { name: 'failed', code };
    }
  }

  /** Keeps nothing of what it knows: its owner is gone. An answer that is under way is dropped. */
  forget(): void {
    this.#asked += 1;
    this.#state = { name: 'loading' };
    this.#encoders = {};
    this.#recordings = {};
    this.#search = '';
    this.#shown = PAGE;
  }

  /** Shows only those whose title has these words. */
  async find(search: string): Promise<void> {
    this.#search = search.trim();
    this.#shown = PAGE;
    await this.load();
  }

  /** Shows older ones too. */
  async more(): Promise<void> {
    this.#shown += PAGE;
    await this.load();
  }

  async loadRecordings(lesson: string): Promise<void> {
    const asked = (this.#recordingsAsked.get(lesson) ?? 0) + 1;
    this.#recordingsAsked.set(lesson, asked);
    const set = (state: RecordingsState) => {
      if (this.#recordingsAsked.get(lesson) === asked)
        this.#recordings = { ...this.#recordings, [lesson]: state };
    };
    try {
      const recordings = await this.#api.recordings(lesson);
      set({ name: 'ready', recordings: recordings.toSorted((a, b) => b.startedAtMs - a.startedAtMs) });
    } catch (error) {
      if (this.recordings(lesson).name !== 'ready') set({ name: 'failed', code: codeOf(error) });
    }
  }

  /** Names a recording of a class, or sets whether a limit may delete it. Rejects with a LecternError. */
  async changeRecording({ id, lesson }: Recording, patch: RecordingPatch): Promise<void> {
    await this.#api.changeRecording(id, patch);
    await this.loadRecordings(lesson);
  }

  /** Deletes a finished recording of a class, if it is still there. Rejects with a LecternError. */
  async removeRecording({ id, lesson }: Recording): Promise<void> {
    try {
      await this.#api.deleteRecording(id);
    } catch (error) {
      if (codeOf(error) !== 'not-found') throw error;
    }
    // Its class may have no replay now, or another still.
    await Promise.all([this.loadRecordings(lesson), this.load()]);
  }

  /** Creates a class. Rejects with a LecternError. */
  async create(title: string): Promise<Lesson> {
    const lesson = await this.#api.createLesson(title);
    if (this.#state.name === 'ready') {
      this.#state = { ...this.#state, lessons: [lesson, ...this.#state.lessons] };
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
    this.#replace(await this.#api.newPublishKey(lesson));
  }

  /** Gives a class another title. Rejects with a LecternError. */
  async rename(lesson: string, title: string): Promise<void> {
    this.#replace(await this.#api.changeLesson(lesson, { title }));
  }

  /** Says whether the broadcasts of a class are recorded. Rejects with a LecternError. */
  async setRecording(lesson: string, recording: RecordingMode): Promise<void> {
    this.#replace(await this.#api.changeLesson(lesson, { recording }));
  }

  /** Says how the files of its recordings are cut. Rejects with a LecternError. */
  async setSplit(lesson: string, split: Partial<Split>): Promise<void> {
    this.#replace(await this.#api.changeLesson(lesson, split));
  }

  /** Says whether students are asked to agree to be recorded. Rejects with a LecternError. */
  async askConsent(lesson: string, asksConsent: boolean): Promise<void> {
    this.#replace(await this.#api.changeLesson(lesson, { asksConsent }));
  }

  /** The text over the picture of each viewer of a class. Rejects with a LecternError. */
  async watermark(lesson: string): Promise<string | null> {
    return (await this.#api.watermark(lesson)).text;
  }

  /** Sets it; null for none. Resolves with what is set. Rejects with a LecternError. */
  async setWatermark(lesson: string, text: string | null): Promise<string | null> {
    return (await this.#api.setWatermark(lesson, text)).text;
  }

  /** Deletes a class and all that was recorded of it. Rejects with a LecternError. */
  async remove(lesson: string): Promise<void> {
    await this.#api.deleteLesson(lesson);
    if (this.#state.name === 'ready') {
      this.#state = { ...this.#state, lessons: this.#state.lessons.filter(({ id }) => id !== lesson) };
    }
  }

  #replace(lesson: Lesson): void {
    if (this.#state.name !== 'ready') return;
    const lessons = this.#state.lessons.map((one) => (one.id === lesson.id ? lesson : one));
    this.#state = { ...this.#state, lessons };
  }
}
