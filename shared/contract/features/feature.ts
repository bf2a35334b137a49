// What a feature of a room declares, once for the browser, the SFU and the school.
import { z } from 'zod';
import type { Role } from '../../domain/roles.ts';

/** Who has a permission. */
export interface PermissionSpec {
  /** The roles that start with it. */
  readonly roles: readonly Role[];
  /** True if a teacher or an assistant may grant it to one person, or take it, while class is on. */
  readonly grantable: boolean;
}

/** A request `noun:verb` of a browser, acknowledged by the SFU. */
export interface RequestSpec {
  readonly in: z.ZodType;
  readonly out: z.ZodType;
  /** What the sender needs, or a rule that says it for each request; null if having joined is enough. */
  readonly permission: string | null | ((data: never) => string);
}

/** One capability of a room: `sfu/room/features` handles it, `web/features` shows it. */
export interface FeatureSpec {
  readonly name: string;
  readonly permissions: Readonly<Record<string, PermissionSpec>>;
  readonly requests: Readonly<Record<string, RequestSpec>>;
  /** What the SFU tells browsers, in the past tense. Not acknowledged. */
  readonly facts: Readonly<Record<string, z.ZodType>>;
  /** What the room remembers of it over a restart of the SFU. */
  readonly events: Readonly<Record<string, z.ZodType>>;
  /** Its fields of the answer to `room:join`. New ones have a default: a page may be newer than its SFU. */
  readonly snapshot: z.ZodRawShape;
}

/** What a request or its answer carries that has nothing to say. */
export const Nothing = z.object({});
