// The addresses that are given to people and players: invitations in a fragment, which no server and no
// log sees, and signed playback addresses.
import { livePaths, replayPaths, type PlaybackResource } from '#shared/contract/playback.ts';
import { publishPaths, type PublishLinks } from '#shared/contract/publish.ts';
import type { Lesson, PlayLinks } from '#shared/contract/rest.ts';
import type { Invite } from '#shared/contract/tickets.ts';
import type { LinkVersions } from '#shared/contract/links.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { signPlayback } from '#server/playback-sign.ts';
import type { Secrets } from '#server/secrets.ts';
import type { Settings } from '#server/settings.ts';
import type { Tokens } from '../people/tokens.ts';

/** Addresses made within this part of their lifetime are the same text, so that a CDN caches them once. */
const EXPIRY_STEPS = 60;

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

  /**
   * Where a recording plays and can be downloaded, signed for the lesson's `epoch`, and its replay page, by
   * the `version` of its watch link.
   */
  async replay(
    lesson: string,
    recording: string,
    epoch: number,
    version: number,
  ): Promise<{ page: string; hls: string; mp4: string; flv: string }> {
    const query = this.#query(`/replay/${recording}`, epoch);
    const paths = replayPaths(recording);
    const http = (path: string) => `${this.#base}${path}?${query}`;
    const page = await this.#page(`/replay/${recording}`, { lesson, role: 'audience', version });
    return { page, hls: http(paths.hls), mp4: http(paths.mp4), flv: http(paths.flv) };
  }

  /** Where a picture of a recording is, signed for the lesson's `epoch`. */
  still(recording: string, epoch: number): string {
    return `${this.#base}${replayPaths(recording).still}?${this.#query(`/replay/${recording}`, epoch)}`;
  }

  async #page(path: string, invite: Invite): Promise<string> {
    return `${this.#base}${path}#invite=${await this.#tokens.invite(invite)}`;
  }

  #rtmp(): string {
    return `rtmp://${new URL(this.#base).hostname}:${this.#rtmpPort}/live`;
  }

  #query(resource: PlaybackResource, epoch: number): string {
    const stepS = Math.max(1, Math.floor(this.#ttlS / EXPIRY_STEPS));
    const expires = Math.ceil((this.#now() / 1_000 + this.#ttlS) / stepS) * stepS;
    return signPlayback(this.#secret, 'play', resource, expires, undefined, epoch);
  }
}
