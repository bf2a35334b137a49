// Who may watch a lesson: its rules, the school's, revoking what was handed out, and trying it all out.
import {
  inForce,
  type AccessRules,
  type AccessTestResult,
  type LessonAccess,
  type LessonAccessView,
  type SchoolAccessView,
} from '#shared/contract/access.ts';
import { LecternError } from '#shared/contract/errors.ts';
import type { ExplainRequest } from '#shared/contract/internal.ts';
import { MAX_EPOCH, partsOfReplay } from '#shared/contract/playback.ts';
import type { AccessRevoked } from '#shared/contract/rest.ts';
import { LinkVersion, type LinkName, type LinkVersions } from '#shared/contract/links.ts';
import type { Log } from '#server/log.ts';
import type { Database } from '../database/database.ts';
import { oneOf } from '../database/engine.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Links } from '../lessons/links.ts';
import { findLesson, linkVersionsOf, type LessonRow } from '../lessons/store.ts';
import type { ServiceClients } from '../clients.ts';
import { accessOf, changeSettings, keepSchoolAccess, schoolAccess } from './store.ts';

export interface AccessDeps {
  db: Database;
  jobs: Jobs;
  clients: ServiceClients;
  links: Links;
  log: Log;
  /** The time in ms since 1970. */
  now: () => number;
}

/** A visitor to try rules with. */
export interface Visitor {
  /** A playback address as people have it; a fresh one where it is left out. */
  address?: string | undefined;
  ip: string;
  referer?: string | undefined;
}

/** A channel that no lesson has, to try the school's rules with. */
const NO_CHANNEL = 'aaaaaaaaaaaa';
const LIVE = /^\/live\/([a-z0-9]{8,24})(?:[./].*)?$/;
const REPLAY = /^\/replay\/([a-z0-9-]+)(?:[./].*)?$/;

/** All methods that take a lesson throw LecternError `not-found` if there is none. */
export class AccessService {
  readonly #deps: AccessDeps;

  constructor(deps: AccessDeps) {
    this.#deps = deps;
  }

  async ofSchool(): Promise<SchoolAccessView> {
    const { db, jobs } = this.#deps;
    const { access } = await schoolAccess(db);
    return { ...access, applied: !(await jobs.isPending({ type: 'push-defaults' })) };
  }

  async setSchool(access: AccessRules): Promise<SchoolAccessView> {
    const { db, jobs, log, now } = this.#deps;
    const [gateway, rooms] = await db.transaction().execute(async (transaction) => {
      await keepSchoolAccess(transaction, access, now());
      return [
        await jobs.add(transaction, { type: 'push-defaults' }),
        await jobs.add(transaction, { type: 'recheck-rooms' }),
      ] as const;
    });
    log.info('access rules of the school changed');
    await jobs.runOne(gateway);
    void jobs.runOne(rooms);
    return this.ofSchool();
  }

  async ofLesson(id: string): Promise<LessonAccessView> {
    const own = accessOf(await this.#find(id));
    const { access } = await schoolAccess(this.#deps.db);
    const applied = !(await this.#deps.jobs.isPending({ type: 'push-settings', lesson: id }));
    return { ...own, effective: inForce(own, access), applied };
  }

  async setLesson(id: string, access: LessonAccess): Promise<LessonAccessView> {
    const isNone = Object.values(access).every((rule) => rule === null);
    await this.#change(id, () => ({ access: isNone ? null : JSON.stringify(access) }));
    this.#deps.log.info({ lesson: id }, 'access rules of a lesson changed');
    return this.ofLesson(id);
  }

  /**
   * Ends every playback address of the lesson that was ever handed out, and disconnects all who watch through one. Links
   * to the room and to the watch page stay good: they are traded for new addresses.
   * Throws LecternError `conflict` when this was done as often as can be.
   */
  async revoke(id: string): Promise<AccessRevoked> {
    const { lesson, applied } = await this.#change(id, ({ accessEpoch }) => {
      if (accessEpoch >= MAX_EPOCH) throw new LecternError('conflict');
      return { accessEpoch: accessEpoch + 1 };
    });
    this.#deps.log.info({ lesson: id }, 'playback addresses revoked');
    return { applied, play: this.#deps.links.play(lesson.channel, lesson.accessEpoch) };
  }

  /** Replaces the stream key: who publishes with the old one is cut off. */
  async newPublishKey(id: string): Promise<void> {
    await this.#change(id, ({ publishVersion, state }) => {
      if (state === 'ended') throw new LecternError('room-closed');
      return { publishVersion: publishVersion + 1 };
    });
    this.#deps.log.info({ lesson: id }, 'stream key replaced');
  }

  /**
   * Replaces a link of the lesson; returns the versions that are good now. The old link lets nobody in any
   * more; those inside stay. A new watch link also ends every playback address.
   * Throws LecternError `conflict` when this was done as often as can be.
   */
  async replaceLink(id: string, link: LinkName): Promise<{ links: LinkVersions; applied: boolean }> {
    const { lesson, applied, inRoom } = await this.#change(id, (before) => {
      const version = linkVersionsOf(before)[link] + 1;
      const accessEpoch = before.accessEpoch + (link === 'watch' ? 1 : 0);
      if (!LinkVersion.safeParse(version).success || accessEpoch > MAX_EPOCH) {
        throw new LecternError('conflict');
      }
      return { [`${link}Link` as const]: version, accessEpoch };
    });
    this.#deps.log.info({ lesson: id, link }, 'link replaced');
    return { links: linkVersionsOf(lesson), applied: (await inRoom) && applied };
  }

  /**
   * How a visitor would be decided on, by the rules in force or by `draft`. Throws LecternError
   * `bad-request` for an address that is none of this lesson, and `service-unavailable`.
   */
  async testLesson(id: string, visitor: Visitor, draft?: LessonAccess): Promise<AccessTestResult> {
    const lesson = await this.#find(id);
    const { access } = await schoolAccess(this.#deps.db);
    const trial = inForce(draft ?? accessOf(lesson), access);
    const address = visitor.address ?? this.#deps.links.play(lesson.channel, lesson.accessEpoch).hls;
    const { resource, path, query } = await this.#parse(lesson, address);
    return this.#decide({ resource, path, query }, visitor, trial);
  }

  /** The same for a lesson that has no rules of its own. */
  async testSchool(visitor: Visitor, draft?: AccessRules): Promise<AccessTestResult> {
    const trial = draft ?? (await schoolAccess(this.#deps.db)).access;
    const { pathname, search } = new URL(this.#deps.links.play(NO_CHANNEL, 0).hls);
    const asked = { resource: `/live/${NO_CHANNEL}`, path: pathname, query: search.slice(1) };
    return this.#decide(asked, visitor, trial);
  }

  async #decide(
    asked: Pick<ExplainRequest, 'resource' | 'path' | 'query'>,
    { ip, referer }: Visitor,
    trial: AccessRules,
  ): Promise<AccessTestResult> {
    const answer = await this.#deps.clients.gateway.explain({
      body: { ...asked, ip, referer: referer ?? null, trial },
    });
    const { allow, rule, code, steps, country } = answer;
    return { allow, rule, code, steps, ip, country };
  }

  /** What a playback address is for. Players' and people's forms of it are taken alike. */
  async #parse(lesson: LessonRow, address: string) {
    const url = URL.parse(address.trim());
    const path = url?.pathname ?? '';
    const query = url?.search.slice(1) ?? '';
    const channel = LIVE.exec(path)?.[1];
    if (channel === lesson.channel) return { resource: `/live/${channel}`, path, query };
    const name = REPLAY.exec(path)?.[1] ?? '';
    const parts = partsOfReplay(name) ?? [];
    if (parts.length > 0) {
      const rows = await this.#deps.db
        .selectFrom('recording')
        .select('id')
        .where('id', 'in', oneOf(this.#deps.db, parts))
        .where('lesson', '=', lesson.id)
        .execute();
      if (rows.length === parts.length) return { resource: `/replay/${name}`, path, query };
    }
    throw new LecternError('bad-request', 'address: is no playback address of this lesson');
  }

  /**
   * Changes the lesson and tells the gateway and then the room at once. `applied` says whether the gateway
   * heard, and `inRoom` whether the room did, which nobody else has to wait for.
   */
  async #change(
    id: string,
    change: (lesson: LessonRow) => Parameters<typeof changeSettings>[2],
  ): Promise<{ lesson: LessonRow; applied: boolean; inRoom: Promise<boolean> }> {
    const { db, jobs, now } = this.#deps;
    const { lesson, gateway, room } = await db.transaction().execute(async (transaction) => {
      const before = await findLesson(transaction, id);
      if (before === undefined) throw new LecternError('not-found');
      const after = await changeSettings(transaction, id, change(before), now());
      return {
        lesson: after ?? before,
        gateway: await jobs.add(transaction, { type: 'push-settings', lesson: id }),
        room: await jobs.add(transaction, { type: 'push-room', lesson: id }),
      };
    });
    const applied = await jobs.runOne(gateway);
    return { lesson, applied, inRoom: jobs.runOne(room) };
  }

  async #find(id: string): Promise<LessonRow> {
    const lesson = await findLesson(this.#deps.db, id);
    if (lesson === undefined) throw new LecternError('not-found');
    return lesson;
  }
}
