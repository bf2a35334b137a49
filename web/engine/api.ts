// The REST client: every answer passes the contract's schema, every failure is a LecternError.
import { z } from 'zod';
import {
  AccessTestResult,
  LessonAccessView,
  SchoolAccessView,
  type AccessRules,
  type AccessTest,
  type LessonAccess,
} from '#shared/contract/access.ts';
import { ErrorBody, LecternError } from '#shared/contract/errors.ts';
import { EncoderNow } from '#shared/contract/publish.ts';
import { RelaysInfo, type RelaysWanted } from '#shared/contract/relay.ts';
import {
  AccessRevoked,
  Attendance,
  Lesson,
  type LessonPatch,
  LinkReplaced,
  PlaybackIssued,
  Recording,
  ReplayChapters,
  ReplayChatPage,
  ReplayFound,
  ReplayIssued,
  RetentionView,
  type RecordingPatch,
  Session,
  SessionsEnded,
  TicketIssued,
  Watermark,
} from '#shared/contract/rest.ts';
import { Share, ShareEnded, type ShareCreate } from '#shared/contract/shares.ts';
import { StatusHistory } from '#shared/contract/status-history.ts';
import { Status } from '#shared/contract/status.ts';
import { ServerTime } from './server-time.ts';

/** How long an answer may take, in ms. */
const ANSWER_LIMIT_MS = 15_000;

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

const Lessons = z.array(Lesson);
const Recordings = z.array(Recording);
const Shares = z.array(Share);
const Anything = z.unknown();

/**
 * All methods reject with a LecternError: the server's own refusal, or `service-unavailable` if there
 * is no answer, or none that can be understood.
 */
export class Api {
  /** By the clock of the server that answers. */
  readonly time = new ServerTime();
  /** Called when the server does not know us as the owner, or no longer. */
  onUnauthorized: () => void = () => undefined;
  #fetch: typeof fetch;
  #base: string;

  /** `base` is the origin of the API without a slash at its end; empty for the page's own. */
  constructor(fetchFunction: typeof fetch, base = '') {
    this.#fetch = fetchFunction;
    this.#base = base;
  }

  /** Who the cookie says we are. */
  session(): Promise<Session> {
    return this.#call('GET', '/session', Session);
  }

  /** Turns the owner link's key into a cookie. */
  signIn(key: string): Promise<Session> {
    return this.#call('POST', '/session', Session, { key });
  }

  /** Ends the sign-in of this browser. */
  async signOut(): Promise<void> {
    await this.#call('DELETE', '/session', Anything);
  }

  /** Ends every sign-in, this one included. */
  signOutEverywhere(): Promise<SessionsEnded> {
    return this.#call('DELETE', '/sessions', SessionsEnded);
  }

  /** What is on air and how the services are. */
  status(): Promise<Status> {
    return this.#call('GET', '/status', Status);
  }

  /** The samples of the last hour, or those after `afterMs`. */
  statusHistory(afterMs?: number): Promise<StatusHistory> {
    return this.#call(
      'GET',
      `/status/history${afterMs === undefined ? '' : `?after=${afterMs}`}`,
      StatusHistory,
    );
  }

  /** At most `limit` lessons, newest first, whose title has all words of `search`; those before `beforeMs`. */
  lessons(limit: number, search: string, beforeMs?: number): Promise<Lesson[]> {
    const query = new URLSearchParams({ limit: String(limit) });
    if (search !== '') query.set('q', search);
    if (beforeMs !== undefined) query.set('before', String(beforeMs));
    return this.#call('GET', `/lessons?${query}`, Lessons);
  }

  createLesson(title: string): Promise<Lesson> {
    return this.#call('POST', '/lessons', Lesson, { title });
  }

  changeLesson(lesson: string, patch: LessonPatch): Promise<Lesson> {
    return this.#call('PATCH', `/lessons/${lesson}`, Lesson, patch);
  }

  /** Ends the class for everyone who is in it. */
  async endLesson(lesson: string): Promise<void> {
    await this.#call('POST', `/lessons/${lesson}/end`, Anything, {});
  }

  changeRecording(recording: string, patch: RecordingPatch): Promise<Recording> {
    return this.#call('PATCH', `/recordings/${recording}`, Recording, patch);
  }

  /** Leaves a message out of a replay for all but the owner, or no longer. */
  async hideMessage(recording: string, message: string, hidden: boolean): Promise<void> {
    await this.#call('PATCH', `/recordings/${recording}/messages/${message}`, Anything, { hidden });
  }

  /** The links to this replay alone that are good, newest first. */
  shares(recording: string): Promise<Share[]> {
    return this.#call('GET', `/recordings/${recording}/shares`, Shares);
  }

  /** Makes one. */
  share(recording: string, share: ShareCreate): Promise<Share> {
    return this.#call('POST', `/recordings/${recording}/shares`, Share, share);
  }

  /** Ends one: those who watch by it are cut off. */
  endShare(recording: string, share: string): Promise<z.output<typeof ShareEnded>> {
    return this.#call('DELETE', `/recordings/${recording}/shares/${share}`, ShareEnded);
  }

  async deleteRecording(recording: string): Promise<void> {
    await this.#call('DELETE', `/recordings/${recording}`, Anything);
  }

  /** The moments of a replay at which the words of `q` were written. */
  searchReplay(recording: string, invite: string, q: string): Promise<ReplayFound> {
    return this.#call('POST', `/recordings/${recording}/search`, ReplayFound, { invite, q });
  }

  /** How long recordings are kept, and which go next. */
  retention(): Promise<RetentionView> {
    return this.#call('GET', '/retention', RetentionView);
  }

  /** Deletes the lesson with all its recordings and its chat. */
  async deleteLesson(lesson: string): Promise<void> {
    await this.#call('DELETE', `/lessons/${lesson}`, Anything);
  }

  attendance(lesson: string): Promise<Attendance> {
    return this.#call('GET', `/lessons/${lesson}/attendance`, Attendance);
  }

  recordings(lesson: string): Promise<Recording[]> {
    return this.#call('GET', `/recordings?lesson=${lesson}`, Recordings);
  }

  /** The rules for classes that have none of their own. */
  schoolAccess(): Promise<SchoolAccessView> {
    return this.#call('GET', '/access', SchoolAccessView);
  }

  setSchoolAccess(rules: AccessRules): Promise<SchoolAccessView> {
    return this.#call('PUT', '/access', SchoolAccessView, rules);
  }

  lessonAccess(lesson: string): Promise<LessonAccessView> {
    return this.#call('GET', `/lessons/${lesson}/access`, LessonAccessView);
  }

  setLessonAccess(lesson: string, rules: LessonAccess): Promise<LessonAccessView> {
    return this.#call('PUT', `/lessons/${lesson}/access`, LessonAccessView, rules);
  }

  /** Tries rules on a visitor: those of a class, or without `lesson` the school's. */
  testAccess(lesson: string | null, test: AccessTest): Promise<AccessTestResult> {
    const path = lesson === null ? '/access/test' : `/lessons/${lesson}/access/test`;
    return this.#call('POST', path, AccessTestResult, test);
  }

  /** The text over the picture of each viewer; null for none. */
  watermark(lesson: string): Promise<Watermark> {
    return this.#call('GET', `/lessons/${lesson}/watermark`, Watermark);
  }

  setWatermark(lesson: string, text: string | null): Promise<Watermark> {
    return this.#call('PUT', `/lessons/${lesson}/watermark`, Watermark, { text });
  }

  /** Ends all playback addresses of a class, and disconnects all who watch through one. */
  revokeAccess(lesson: string): Promise<AccessRevoked> {
    return this.#call('POST', `/lessons/${lesson}/revoke`, AccessRevoked);
  }

  /** Replaces the stream key of a class. */
  newPublishKey(lesson: string): Promise<Lesson> {
    return this.#call('POST', `/lessons/${lesson}/publish-key`, Lesson);
  }

  /** What is published to a class from outside. */
  encoder(lesson: string): Promise<EncoderNow> {
    return this.#call('GET', `/lessons/${lesson}/encoder`, EncoderNow);
  }

  /** One class. */
  lesson(lesson: string): Promise<Lesson> {
    return this.#call('GET', `/lessons/${lesson}`, Lesson);
  }

  /** Where a class is sent on to and where its picture is taken from. */
  relays(lesson: string): Promise<RelaysInfo> {
    return this.#call('GET', `/lessons/${lesson}/relays`, RelaysInfo);
  }

  /** Says all of that again. */
  setRelays(lesson: string, wanted: RelaysWanted): Promise<RelaysInfo> {
    return this.#call('PUT', `/lessons/${lesson}/relays`, RelaysInfo, wanted);
  }

  /** Exchanges an invitation for a ticket to the room; `ticket` is this tab's last one, if it has one. */
  issueTicket(lesson: string, invite: string, ticket?: string): Promise<TicketIssued> {
    const body = ticket === undefined ? { invite } : { invite, ticket };
    return this.#call('POST', `/lessons/${lesson}/tickets`, TicketIssued, body);
  }

  /** Replaces a link of a class; the old one lets nobody in any more. */
  replaceLink(lesson: string, link: 'student' | 'watch', invite: string): Promise<LinkReplaced> {
    return this.#call('POST', `/lessons/${lesson}/links/${link}`, LinkReplaced, { invite });
  }

  /** Exchanges an invitation for signed playback addresses of a lesson. */
  issuePlayback(lesson: string, invite: string): Promise<PlaybackIssued> {
    return this.#call('POST', `/lessons/${lesson}/playback`, PlaybackIssued, { invite });
  }

  /** Exchanges an invitation for signed addresses of a recording. */
  issueReplay(recording: string, invite: string): Promise<ReplayIssued> {
    return this.#call('POST', `/recordings/${recording}/playback`, ReplayIssued, { invite });
  }

  /** A page of what was written in the class that was recorded. */
  replayChat(
    recording: string,
    invite: string,
    place: { after: string } | { before: string },
  ): Promise<ReplayChatPage> {
    return this.#call('POST', `/recordings/${recording}/chat`, ReplayChatPage, { invite, ...place });
  }

  /** The chapters that were marked in it. */
  replayChapters(recording: string, invite: string): Promise<ReplayChapters> {
    return this.#call('POST', `/recordings/${recording}/chapters`, ReplayChapters, { invite });
  }

  async #call<T extends z.ZodType>(
    method: Method,
    path: string,
    schema: T,
    body?: unknown,
  ): Promise<z.output<T>> {
    const { status, answer } = await this.#exchange(method, path, body);
    if (status >= 400) {
      const refusal = ErrorBody.safeParse(answer);
      if (!refusal.success) throw new LecternError('service-unavailable');
      const { code, message } = refusal.data.error;
      if (code === 'unauthorized') this.onUnauthorized();
      throw new LecternError(code, message);
    }
    const result = schema.safeParse(answer);
    if (!result.success) throw new LecternError('service-unavailable', 'The answer cannot be understood.');
    return result.data;
  }

  async #exchange(method: Method, path: string, body: unknown): Promise<{ status: number; answer: unknown }> {
    // Called without its receiver: a browser's fetch refuses to be a method of something else.
    const send = this.#fetch;
    const answered = this.time.asked();
    try {
      const response = await send(`${this.#base}/api/v1${path}`, {
        method,
        credentials: 'same-origin',
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      answered(response.headers.get('date'));
      const text = await response.text();
      return { status: response.status, answer: text === '' ? {} : JSON.parse(text) };
    } catch {
      throw new LecternError('service-unavailable');
    }
  }
}
