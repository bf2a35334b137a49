// The part of a replay's chat that is shown: pages around the place that is played. A class may have written
// for hours; the page asks for what is near, and for what is earlier when somebody scrolls up to it.
import type { ReplayChatPage, ReplayMessage } from '#shared/contract/rest.ts';
import type { PlayerClock } from './ports.ts';

/** So far ahead of the picture the chat is there, in ms of class. */
const AHEAD_MS = 20_000;
/** So many messages are ahead enough, however quickly they were written. */
const AHEAD_MESSAGES = 50;
/** Of more messages than these the oldest are let go; scrolling up asks for them again. */
const MAX_KEPT = 1_000;
/** How long after a failure to ask again, in ms. */
const RETRY_MS = 3_000;

export interface ChatPagesOptions {
  readonly ask: (place: { after: string } | { before: string }) => Promise<ReplayChatPage>;
  readonly clock: PlayerClock;
  /** Something changed. */
  readonly changed: () => void;
}

/** Where a page begins: `<sentAtMs>.<id>`, which is also how REST writes it. */
const cursorOf = ({ sentAtMs, id }: ReplayMessage): string => `${sentAtMs}.${id}`;

export class ChatPages {
  readonly #options: ChatPagesOptions;
  #messages: readonly ReplayMessage[] = [];
  /** Nothing was written before these messages, or from `#toMs` on. */
  #isStart = false;
  #isEnd = false;
  /** All that was written from the first message to this time is here; undefined before the first page. */
  #toMs: number | undefined;
  /** Where the next page begins. */
  #after = '0';
  #wallMs = 0;
  #isAsking = false;
  #hasFailed = false;
  #closed = false;
  #cancelRetry: () => void = () => undefined;

  constructor(options: ChatPagesOptions) {
    this.#options = options;
  }

  /** What is here, in the order of time. */
  get messages(): readonly ReplayMessage[] {
    return this.#messages;
  }

  get hasEarlier(): boolean {
    return this.#toMs !== undefined && !this.#isStart;
  }

  /** `loading` until the first page is there, `failed` while there is none because it could not be had. */
  get state(): 'loading' | 'failed' | 'ready' {
    if (this.#toMs !== undefined) return 'ready';
    return this.#hasFailed ? 'failed' : 'loading';
  }

  /** The class has no chat. */
  get isEmpty(): boolean {
    return this.#isStart && this.#isEnd && this.#messages.length === 0;
  }

  /** The picture is at `wallMs`, in ms since 1970. */
  moveTo(wallMs: number): void {
    this.#wallMs = wallMs;
    this.#fill();
  }

  /** Asks for a page before the first message. */
  async earlier(): Promise<void> {
    const [first] = this.#messages;
    if (!this.hasEarlier || first === undefined) return;
    await this.#ask({ before: cursorOf(first) }, (page) => {
      this.#messages = [...page.messages, ...this.#messages];
      this.#isStart = page.next === null;
    });
  }

  /** It is another chat now: begins again. */
  restart(): void {
    this.#messages = [];
    [this.#isStart, this.#isEnd, this.#toMs, this.#after] = [false, false, undefined, '0'];
    this.#options.changed();
    this.#fill();
  }

  /** A message was hidden from others, or no longer. */
  setHidden(id: string, hidden: boolean): void {
    this.#messages = this.#messages.map((message) => (message.id === id ? { ...message, hidden } : message));
    this.#options.changed();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
  }

  #fill(): void {
    if (this.#closed || this.#isAsking) return;
    const wallMs = this.#wallMs;
    const [first] = this.#messages;
    const isBefore = !this.#isStart && wallMs < (first?.sentAtMs ?? this.#toMs ?? 0);
    const isAfter = !this.#isEnd && wallMs > (this.#toMs ?? -1);
    if (isBefore || isAfter) {
      void this.#ask({ before: String(wallMs) }, (page) => {
        this.#messages = page.messages;
        this.#isStart = page.next === null;
        this.#isEnd = false;
        this.#toMs = wallMs;
        this.#after = String(wallMs);
      });
    } else if (!this.#isEnd && wallMs + AHEAD_MS > (this.#toMs ?? 0) && !this.#isFarAhead()) {
      void this.#ask({ after: this.#after }, (page) => {
        const all = [...this.#messages, ...page.messages];
        this.#messages = all.slice(-MAX_KEPT);
        if (all.length > MAX_KEPT) this.#isStart = false;
        this.#isEnd = page.next === null;
        const last = page.messages.at(-1);
        if (last !== undefined) {
          this.#after = cursorOf(last);
          this.#toMs = last.sentAtMs;
        }
      });
    }
  }

  #isFarAhead(): boolean {
    return (this.#messages.at(-AHEAD_MESSAGES)?.sentAtMs ?? 0) > this.#wallMs;
  }

  async #ask(place: { after: string } | { before: string }, take: (page: ReplayChatPage) => void) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#cancelRetry();
    const again = await this.#options.ask(place).then(
      (page) => {
        if (!this.#closed) take(page);
        this.#hasFailed = false;
        return true;
      },
      () => {
        this.#hasFailed = true;
        return false;
      },
    );
    this.#isAsking = false;
    if (this.#closed) return;
    this.#options.changed();
    if (again) this.#fill();
    else this.#cancelRetry = this.#options.clock.after(RETRY_MS, () => this.#fill());
  }
}
