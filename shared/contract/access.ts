// Who may watch: five rules that must all agree, set for the school and, rule by rule, for a lesson. The
// gateway asks them before it gives a byte of media, on every protocol alike; docs/access.md explains each.
import { z } from 'zod';
import { ErrorCode } from './errors.ts';

/** The rules, in the order in which they are asked: the cheap ones first, another server last. */
export const RULES = ['tokens', 'ip', 'region', 'referer', 'callback'] as const;
export const RuleName = z.enum(RULES);
export type RuleName = z.infer<typeof RuleName>;

/** What a list may hold at most: enough for a school, and little enough to be compared at each request. */
const MAX_HOSTS = 200;
const MAX_NETWORKS = 200;
const MAX_COUNTRIES = 260;

/** Addresses have to be signed (shared/contract/playback.ts), or anyone who knows one may watch. */
export const TokensRule = z.object({ required: z.boolean().default(true) });

/** `example.org`, or `*.example.org` for all below it. */
export const HostPattern = z
  .string()
  .max(253)
  .regex(/^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, {
    error: 'must be a host such as example.org or *.example.org, in small letters',
  });

/** Which sites may show the player. Easily forged by a program, it keeps honest browsers out. */
export const RefererRule = z.object({
  mode: z.enum(['off', 'allow', 'deny']).default('off'),
  hosts: z.array(HostPattern).max(MAX_HOSTS).default([]),
  /** Whether a request that names no site is let in: apps, VLC, RTMP, and browsers told to say nothing. */
  allowEmpty: z.boolean().default(true),
});

/** An address, or a network in CIDR notation (RFC 4632, RFC 4291 §2.3). */
export const Network = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], {
  error: 'must be an address or a network such as 192.0.2.0/24 or 2001:db8::/32',
});

/** `deny` goes before `allow`; an empty `allow` lets everyone in who is not denied. */
export const IpRule = z.object({
  allow: z.array(Network).max(MAX_NETWORKS).default([]),
  deny: z.array(Network).max(MAX_NETWORKS).default([]),
});

/** By the country (ISO 3166-1, two letters) of the viewer's address, as the operator's database says. */
export const RegionRule = z.object({
  mode: z.enum(['off', 'allow', 'deny']).default('off'),
  countries: z
    .array(z.string().regex(/^[A-Z]{2}$/, { error: 'must be two capital letters such as CN' }))
    .max(MAX_COUNTRIES)
    .default([]),
  /** Whether an address that the database does not know is let in. */
  allowUnknown: z.boolean().default(false),
});

/** The school's own server decides: `POST` of a JSON object, answered `200 {"allow": true}`. */
export const CallbackRule = z.object({
  url: z
    .url({ protocol: /^https?$/, error: 'must be an address such as https://school.example.org/may-watch' })
    .max(1_000)
    .refine((url) => !/^[^/]*\/\/[^/?#]*@/.test(url), 'must have no name and password in it')
    .nullable()
    .default(null),
  /** After this long without an answer nobody is let in. */
  timeoutMs: z.number().int().min(100).max(5_000).default(2_000),
  /** For how long an answer holds for the same viewer; 0 asks each time. */
  cacheMs: z.number().int().min(0).max(60_000).default(5_000),
});

/** All rules: the school's, or those that are in force for a lesson. */
export const AccessRules = z.object({
  tokens: TokensRule,
  referer: RefererRule,
  ip: IpRule,
  region: RegionRule,
  callback: CallbackRule,
});
export type AccessRules = z.infer<typeof AccessRules>;

/** What applies where nobody said anything: addresses are signed, all else is open. */
export const DEFAULT_ACCESS: AccessRules = {
  tokens: { required: true },
  referer: { mode: 'off', hosts: [], allowEmpty: true },
  ip: { allow: [], deny: [] },
  region: { mode: 'off', countries: [], allowUnknown: false },
  callback: { url: null, timeoutMs: 2_000, cacheMs: 5_000 },
};

/** `PUT /api/v1/access`: what is left out is as in {@link DEFAULT_ACCESS}. */
export const SchoolAccess = z.object({
  tokens: TokensRule.default(DEFAULT_ACCESS.tokens),
  referer: RefererRule.default(DEFAULT_ACCESS.referer),
  ip: IpRule.default(DEFAULT_ACCESS.ip),
  region: RegionRule.default(DEFAULT_ACCESS.region),
  callback: CallbackRule.default(DEFAULT_ACCESS.callback),
});

/** `PUT /api/v1/lessons/:id/access`: a rule that is null or left out is the school's. */
export const LessonAccess = z.object({
  tokens: TokensRule.nullable().default(null),
  referer: RefererRule.nullable().default(null),
  ip: IpRule.nullable().default(null),
  region: RegionRule.nullable().default(null),
  callback: CallbackRule.nullable().default(null),
});
export type LessonAccess = z.infer<typeof LessonAccess>;

/** A lesson without rules of its own. */
export const AS_THE_SCHOOL: LessonAccess = {
  tokens: null,
  referer: null,
  ip: null,
  region: null,
  callback: null,
};

/** The rules in force for a lesson, given the school's. */
export const inForce = (lesson: LessonAccess, school: AccessRules): AccessRules => ({
  tokens: lesson.tokens ?? school.tokens,
  referer: lesson.referer ?? school.referer,
  ip: lesson.ip ?? school.ip,
  region: lesson.region ?? school.region,
  callback: lesson.callback ?? school.callback,
});

/** `GET` and `PUT /api/v1/access`. */
export const SchoolAccessView = AccessRules.extend({
  /** Whether the gateway goes by it already; what it could not be told is told as soon as it answers. */
  applied: z.boolean(),
});
export type SchoolAccessView = z.infer<typeof SchoolAccessView>;

/** `GET` and `PUT /api/v1/lessons/:id/access`. */
export const LessonAccessView = LessonAccess.extend({
  effective: AccessRules,
  applied: z.boolean(),
});
export type LessonAccessView = z.infer<typeof LessonAccessView>;

/** Why a rule refuses; a page says it in its reader's language. */
export const RefusalReason = z.enum([
  'no-signature',
  'wrong-signature',
  'expired',
  'revoked',
  'ip-denied',
  'ip-not-allowed',
  'ip-unknown',
  'country-denied',
  'country-not-allowed',
  'country-unknown',
  'no-database',
  'referer-denied',
  'referer-not-allowed',
  'referer-empty',
  'callback-denied',
  'callback-failed',
  'callback-private',
  'broken',
]);
export type RefusalReason = z.infer<typeof RefusalReason>;

/** What one rule said; `skipped` after another has refused. */
export const AccessStep = z.object({
  rule: RuleName,
  outcome: z.enum(['off', 'allow', 'deny', 'skipped']),
  reason: RefusalReason.nullable(),
});
export type AccessStep = z.infer<typeof AccessStep>;

const Visitor = {
  /** The viewer's address; that of the caller where it is left out. */
  ip: z.union([z.ipv4(), z.ipv6()]).optional(),
  /** The page with the player; none where it is left out. */
  referer: z.string().max(2_000).optional(),
};

/** `POST /api/v1/lessons/:id/access/test`. */
export const AccessTest = z.object({
  /** A playback address to try; a freshly signed one of this lesson where it is left out. */
  address: z.string().max(2_048).optional(),
  ...Visitor,
  /** Rules to try before they are saved. */
  access: LessonAccess.optional(),
});
export type AccessTest = z.input<typeof AccessTest>;

/** `POST /api/v1/access/test`: as for a lesson without rules of its own. */
export const SchoolAccessTest = z.object({ ...Visitor, access: SchoolAccess.optional() });

export const AccessTestResult = z.object({
  allow: z.boolean(),
  /** The rule that refused; null if all allow. */
  rule: RuleName.nullable(),
  code: ErrorCode.nullable(),
  /** All rules in their order. */
  steps: z.array(AccessStep),
  /** Whom the rules took the viewer for. */
  ip: z.string(),
  country: z.string().nullable(),
});
export type AccessTestResult = z.infer<typeof AccessTestResult>;
