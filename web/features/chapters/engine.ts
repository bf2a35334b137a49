// The chapters of the class, as this tab knows them.
import type { Chapter } from '#shared/contract/features/chapters.ts';
import type { FeatureHost } from '../../engine/feature.ts';

export class Chapters {
  readonly #host: Pick<FeatureHost, 'request'>;
  #marked: readonly Chapter[] = [];

  constructor(host: Pick<FeatureHost, 'request'>) {
    this.#host = host;
  }

  /** In the order of time. The same array until it changes. */
  get marked(): readonly Chapter[] {
    return this.#marked;
  }

  /** Takes over what the room says. */
  joined(chapters: readonly Chapter[]): void {
    this.#marked = chapters;
  }

  added(chapter: Chapter): void {
    if (this.#marked.some(({ id }) => id === chapter.id)) return;
    this.#marked = [...this.#marked, chapter];
  }

  renamed(id: string, title: string | null): void {
    this.#marked = this.#marked.map((chapter) => (chapter.id === id ? { ...chapter, title } : chapter));
  }

  removed(id: string): void {
    this.#marked = this.#marked.filter((chapter) => chapter.id !== id);
  }

  /** Marks the present moment. Rejects with the server's refusal. */
  async mark(title: string | null): Promise<void> {
    await this.#host.request('chapter:mark', { title });
  }

  /** Gives one another title, or none. Rejects with the server's refusal. */
  async rename(chapterId: string, title: string | null): Promise<void> {
    await this.#host.request('chapter:rename', { chapterId, title });
  }

  /** Takes one back for everyone. Rejects with the server's refusal. */
  async remove(chapterId: string): Promise<void> {
    await this.#host.request('chapter:remove', { chapterId });
  }
}

export function createChapters(host: FeatureHost): Chapters {
  const chapters = new Chapters(host);
  host.onJoined((joined) => chapters.joined(joined.chapters));
  host.on('chapter:marked', (chapter) => chapters.added(chapter));
  host.on('chapter:renamed', ({ chapterId, title }) => chapters.renamed(chapterId, title));
  host.on('chapter:removed', ({ chapterId }) => chapters.removed(chapterId));
  return chapters;
}
