// The addresses that are given to people and players: invitations in a fragment, which no server and no
// log sees, and signed playback addresses.
import {
  livePaths,
  piecePath,
  replayName,
  replayPaths,
  type PlaybackResource,
} from '#shared/contract/playback.ts';
import { publishPaths, type PublishLinks } from '#shared/contract/publish.ts';
import type { Lesson, PlayLinks } from '#shared/contract/rest.ts';
import { shareViewer } from '#shared/contract/shares.ts';
import type { TrimSpan } from '#shared/contract/trim.ts';
import type { Invite } from '#shared/contract/tickets.ts';
import type { LinkVersions } from '#shared/contract/links.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { signPlayback } from '#server/playback-sign.ts';
import type { Secrets } from '#server/secrets.ts';
import type { Settings } from '#server/settings.ts';
import type { Tokens } from '../people/tokens.ts';

/** Addresses made within this part of their lifetime are the same text, so that a CDN caches them once. */
const EXPIRY_STEPS = 60;

/** What addresses that are made for a link to one recording go by. */
export interface ShareLink {
  readonly id: string;
  /** In ms since 1970; null for never. */
  readonly expiresAtMs: number | null;
  /** 1 where it opens files. */
  readonly files: 0 | 1;
}

/** Where a recording is. */
export interface ReplayLinks {
  readonly page: string;
  readonly hls: string;
  readonly mp4: string;
  readonly flv: string;
  /** A piece by its number, from 1. */
  readonly piece: (number: number, format: 'mp4' | 'flv') => string;
}

export class Links {
  readonly #base: string;
  /** Where viewers play from: servers that carry the gateway's FLV on, or the door. */
  readonly #origins: readonly string[];
  readonly #rtmpPort: number;
  readonly #ttlS: number;
  readonly #secret: string;
  readonly #tokens: Tokens;
  readonly #now: () => number;

  /** `now` gives the time in ms since 1970. */
  constructor(settings: Settings, secrets: Secrets, tokens: Tokens, now: () => number) {
    this.#base = settings.door.origin;
    const { playOrigins: origins } = settings.door;
    this.#origins = origins.length > 0 ? origins : [this.#base];
    this.#rtmpPort = settings.gateway.rtmpPort;
    this.#ttlS = settings.school.playbackTtlS;
    this.#secret = secrets.playback;
    this.#tokens = tokens;
    this.#now = now;
  }

  /** The links of a lesson, for those who may hand them out. */
  async ofLesson(lesson: string, versions: LinkVersions): Promise<Lesson['links']> {
    const [teacher, assistant, student, watch] = await Promise.all([
      this.#page(`/room/${lesson}`, { lesson, role: 'teacher', version: versions.teacher }),
      this.#page(`/room/${lesson}`, { lesson, role: 'assistant', version: versions.assistant }),
      this.#page(`/room/${lesson}`, { lesson, role: 'student', version: versions.student }),
      this.#page(`/watch/${lesson}`, { lesson, role: 'audience', version: versions.watch }),
    ]);
    return { teacher, assistant, student, watch };
  }

  /** Where a channel plays, signed; `epoch` counts the revocations so far. */
  play(channel: string, epoch: number): PlayLinks {
    const query = this.#query(`/live/${channel}`, epoch);
    const paths = livePaths(channel);
    const http = (path: string) => `${this.#base}${path}?${query}`;
    return {
      hls: http(paths.hls),
      dvr: http(paths.dvr),
      flv: http(paths.flv),
      flvs: this.#origins.map((origin) => `${origin}${paths.flv}?${query}`),
      wsFlv: http(paths.flv).replace(/^http/, 'ws'),
      rtmp: `${this.#rtmp()}/${channel}?${query}`,
      whep: http(paths.whep),
    };
  }

  /** Where a program publishes to a channel, with the lesson's stream key. */
  publish(lesson: string, channel: string, version: number): PublishLinks {
    const paths = publishPaths(channel, makePublishKey(this.#secret, channel, lesson, version));
    return {
      rtmp: { url: this.#rtmp(), key: paths.rtmpStreamKey },
      whip: `${this.#base}${paths.whip}`,
      webcodecs: `${this.#base}${paths.webcodecs}`.replace(/^http/, 'ws'),
    };
  }

  /** How long an address can be good, in ms. */
  get longestMs(): number {
    return (this.#ttlS + this.#stepS) * 1_000;
  }

  /**
   * Where a recording plays and can be downloaded, signed for the lesson's `epoch`, and its replay page, by
   * the `version` of its watch link; or all of it by a link to this recording alone.
   */
  async replay(
    lesson: string,
    recording: string,
    epoch: number,
    by: number | ShareLink,
  ): Promise<ReplayLinks> {
    const isShare = typeof by !== 'number';
    const query = this.#query(`/replay/${recording}`, epoch, isShare ? by : undefined);
    const paths = replayPaths(recording);
    const http = (path: string) => `${this.#base}${path}?${query}`;
    const page = isShare
      ? await this.share(recording, by.id)
      : await this.#page(`/replay/${recording}`, { lesson, role: 'audience', version: by });
    const piece: ReplayLinks['piece'] = (number, format) => http(piecePath(recording, number, format));
    return { page, hls: http(paths.hls), mp4: http(paths.mp4), flv: http(paths.flv), piece };
  }

  /** The link to one recording. */
  async share(recording: string, share: string): Promise<string> {
    return `${this.#base}/replay/${recording}#invite=${await this.#tokens.share(share)}`;
  }

  /** Where `recordings` of one lesson play one after the other, signed for the lesson's `epoch`. */
  joined(recordings: readonly string[], epoch: number, by?: ShareLink): string {
    const name = replayName(recordings);
    return `${this.#base}${replayPaths(name).hls}?${this.#query(`/replay/${name}`, epoch, by)}`;
  }

  /** Where a picture of what is shown of a recording is, signed for the lesson's `epoch`; browsers keep it. */
  still(recording: string, epoch: number, shown: TrimSpan | undefined, by?: ShareLink): string {
    const query = this.#query(`/replay/${recording}`, epoch, by);
    const version = shown === undefined ? '' : `&shown=${Math.round(shown.fromMs)}-${Math.round(shown.toMs)}`;
    return `${this.#base}${replayPaths(recording).still}?${query}${version}`;
  }

  async #page(path: string, invite: Invite): Promise<string> {
    return `${this.#base}${path}#invite=${await this.#tokens.invite(invite)}`;
  }

  #rtmp(): string {
    return `rtmp://${new URL(this.#base).hostname}:${this.#rtmpPort}/live`;
  }

  get #stepS(): number {
    return Math.max(1, Math.floor(this.#ttlS / EXPIRY_STEPS));
  }

  #query(resource: PlaybackResource, epoch: number, by?: ShareLink): string {
    const step = this.#stepS;
    const expires = Math.ceil((this.#now() / 1_000 + this.#ttlS) / step) * step;
    const endS = Math.floor((by?.expiresAtMs ?? Infinity) / 1_000);
    const viewer = by && shareViewer(by.id, by.files === 1);
    return signPlayback(this.#secret, 'play', resource, Math.min(expires, endS), viewer, epoch);
  }
}
