// Who may watch, as a form: what the owner types becomes rules, and rules become a verdict on a visitor.
import {
  AccessRules,
  LessonAccess,
  RULES,
  type AccessTestResult,
  type LessonAccessView,
  type RuleName,
  type SchoolAccessView,
} from '#shared/contract/access.ts';
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { Api } from '../engine/api.ts';

export { RULES };
export type { AccessTestResult, RuleName };
export type ListMode = AccessRules['region']['mode'];

/** Lists are typed one entry a line. */
export interface AccessForm {
  /** Whose rule it is; on the school's own page always `own`. */
  from: Record<RuleName, 'school' | 'own'>;
  tokens: { required: boolean };
  ip: { allow: string; deny: string };
  region: { mode: ListMode; countries: string; allowUnknown: boolean };
  referer: { mode: ListMode; hosts: string; allowEmpty: boolean };
  callback: { url: string };
}

/** A field whose content cannot be a rule, and the entry that is wrong. */
export interface FieldProblem {
  readonly field: string;
  readonly entry: string;
}

export type AccessState =
  | { name: 'loading' }
  | { name: 'failed'; code: ErrorCode }
  /** `applied`: the gateway goes by what is saved. */
  | { name: 'ready'; applied: boolean; title: string | null };

export type TrialState =
  { name: 'none' } | { name: 'result'; result: AccessTestResult } | { name: 'failed'; code: ErrorCode };

const entries = (text: string): string[] =>
  text
    .split(/[\s,;，；]+/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

export class AccessStore {
  readonly lesson: string | null;
  readonly #api: Api;
  #state = $state.raw<AccessState>({ name: 'loading' });
  #trial = $state.raw<TrialState>({ name: 'none' });
  #problem = $state.raw<FieldProblem | null>(null);
  #form = $state<AccessForm>(formOf(null, null));
  /** What was saved last: its times are kept as they are, since the form does not show them. */
  #saved: AccessRules | null = null;
  #savedForm = $state('');

  /** `lesson` is null for the rules of the school. */
  constructor(api: Api, lesson: string | null) {
    this.#api = api;
    this.lesson = lesson;
  }

  get state(): AccessState {
    return this.#state;
  }

  /** What is typed; views change it in place. */
  get form(): AccessForm {
    return this.#form;
  }

  get trial(): TrialState {
    return this.#trial;
  }

  /** What keeps the form from being saved, since the last try. */
  get problem(): FieldProblem | null {
    return this.#problem;
  }

  /** True if something is typed that is not saved. */
  get changed(): boolean {
    return JSON.stringify(this.#form) !== this.#savedForm;
  }

  async load(): Promise<void> {
    this.#state = { name: 'loading' };
    try {
      if (this.lesson === null) {
        this.#take(await this.#api.schoolAccess(), null);
        return;
      }
      const [view, lesson] = await Promise.all([
        this.#api.lessonAccess(this.lesson),
        this.#api.lesson(this.lesson),
      ]);
      this.#take(view, lesson.title);
    } catch (error) {
      this.#state = { name: 'failed', code: codeOf(error) };
    }
  }

  /** Saves what is typed; resolves with whether it could be. Rejects with a LecternError. */
  async save(): Promise<boolean> {
    const rules = this.#parse();
    if (rules === null || this.#state.name !== 'ready') return false;
    const { title } = this.#state;
    const view =
      this.lesson === null
        ? await this.#api.setSchoolAccess(AccessRules.parse(rules))
        : await this.#api.setLessonAccess(this.lesson, rules);
    this.#take(view, title);
    return true;
  }

  /** Tries what is typed, saved or not, on a visitor. Empty texts are left out. */
  async test(visitor: { ip: string; referer: string; address: string }): Promise<void> {
    const access = this.#parse();
    if (access === null) return;
    const given = Object.fromEntries(
      Object.entries(visitor)
        .map(([name, text]): [string, string] => [name, text.trim()])
        .filter(([, text]) => text !== ''),
    );
    try {
      const result = await this.#api.testAccess(this.lesson, { ...given, access });
      this.#trial = { name: 'result', result };
    } catch (error) {
      this.#trial = { name: 'failed', code: codeOf(error) };
    }
  }

  /** Ends all addresses of the class that were handed out. Rejects with a LecternError. */
  async revoke(): Promise<void> {
    if (this.lesson === null) return;
    const { applied } = await this.#api.revokeAccess(this.lesson);
    if (this.#state.name === 'ready') this.#state = { ...this.#state, applied };
  }

  #take(view: SchoolAccessView | LessonAccessView, title: string | null): void {
    const isLesson = 'effective' in view;
    this.#saved = isLesson ? view.effective : view;
    this.#form = formOf(this.#saved, isLesson ? view : null);
    this.#savedForm = JSON.stringify(this.#form);
    this.#problem = null;
    this.#state = { name: 'ready', applied: view.applied, title };
  }

  /** The rules that are typed; null, with `problem` set, if they are none. */
  #parse(): LessonAccess | null {
    const { from, tokens, ip, region, referer, callback } = this.#form;
    const url = callback.url.trim();
    const typed = {
      tokens,
      ip: { allow: entries(ip.allow), deny: entries(ip.deny) },
      region: { ...region, countries: entries(region.countries).map((code) => code.toUpperCase()) },
      referer: { ...referer, hosts: entries(referer.hosts).map((host) => host.toLowerCase()) },
      callback: {
        timeoutMs: this.#saved?.callback.timeoutMs,
        cacheMs: this.#saved?.callback.cacheMs,
        url: url === '' ? null : url,
      },
    };
    const own = Object.fromEntries(RULES.map((rule) => [rule, from[rule] === 'own' ? typed[rule] : null]));
    const result = LessonAccess.safeParse(own);
    if (result.success) {
      this.#problem = null;
      return result.data;
    }
    const [rule, field, index] = result.error.issues[0]?.path ?? [];
    const list: unknown = (typed as Record<string, Record<string, unknown>>)[String(rule)]?.[String(field)];
    const entry = Array.isArray(list) ? String(list[Number(index ?? 0)]) : String(list);
    this.#problem = { field: `${String(rule)}.${String(field)}`, entry };
    return null;
  }
}

/** `lesson` says which rules are its own; null on the school's page, where all are. */
function formOf(rules: AccessRules | null, lesson: LessonAccess | null): AccessForm {
  const whose = (rule: RuleName) => (lesson !== null && lesson[rule] === null ? 'school' : 'own');
  const lines = (list: readonly string[] | undefined) => (list ?? []).join('\n');
  return {
    from: {
      tokens: whose('tokens'),
      ip: whose('ip'),
      region: whose('region'),
      referer: whose('referer'),
      callback: whose('callback'),
    },
    tokens: { required: rules?.tokens.required ?? true },
    ip: { allow: lines(rules?.ip.allow), deny: lines(rules?.ip.deny) },
    region: {
      mode: rules?.region.mode ?? 'off',
      countries: lines(rules?.region.countries),
      allowUnknown: rules?.region.allowUnknown ?? false,
    },
    referer: {
      mode: rules?.referer.mode ?? 'off',
      hosts: lines(rules?.referer.hosts),
      allowEmpty: rules?.referer.allowEmpty ?? true,
    },
    callback: { url: rules?.callback.url ?? '' },
  };
}
