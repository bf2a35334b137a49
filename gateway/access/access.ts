// Joins the rules: settings, databases and clients that they go by, the decision, and what is open.
import { join } from 'node:path';
import { LecternError } from '#shared/contract/errors.ts';
import type { ExplainAnswer, ExplainRequest } from '#shared/contract/internal.ts';
import type { PlaybackResource } from '#shared/contract/playback.ts';
import { plainIp } from '#server/forwarded.ts';
import type { Log } from '#server/log.ts';
import type { Secrets } from '#server/secrets.ts';
import type { Settings } from '#server/settings.ts';
import { callbackHosts, createLeaveClient } from './ask-leave.ts';
import {
  createDecide,
  explain,
  type AccessRule,
  type ChannelAccess,
  type Decide,
  type OnBroken,
} from './decide.ts';
import { CountryFile, type Countries } from './geoip.ts';
import { OpenConnections } from './revalidation.ts';
import { callback } from './rules/callback.ts';
import { eachPart } from './rules/each-part.ts';
import { addressLists } from './rules/ip.ts';
import { streamKey } from './rules/key.ts';
import { sites } from './rules/referer.ts';
import { regions } from './rules/region.ts';
import { signedAddress } from './rules/tokens.ts';
import { AccessSettings } from './settings.ts';

export interface AccessOptions {
  readonly settings: Pick<Settings, 'dataDir' | 'gateway' | 'door'>;
  readonly secrets: Pick<Secrets, 'playback'>;
  /** The channel that a recording was made of; undefined if there is no such recording. */
  readonly channelOf: (recording: string) => string | undefined;
  readonly log: Log;
}

export class Access {
  readonly settings: AccessSettings;
  /** The one decision. */
  readonly decide: Decide;
  readonly open: OpenConnections;
  readonly #rules: readonly AccessRule[];
  readonly #countries: Countries;
  readonly #close: () => Promise<void>;

  private constructor(parts: {
    settings: AccessSettings;
    rules: readonly AccessRule[];
    countries: Countries;
    close: () => Promise<void>;
    onBroken: OnBroken;
  }) {
    this.settings = parts.settings;
    this.#rules = parts.rules;
    this.#countries = parts.countries;
    this.#close = parts.close;
    this.decide = createDecide(parts.rules, (resource) => parts.settings.of(resource), parts.onBroken);
    this.open = new OpenConnections(this.decide, ({ resource }) => parts.settings.channelOf(resource));
    parts.settings.onChanged((channel) => this.open.changed(channel));
  }

  static async open({ settings, secrets, channelOf, log }: AccessOptions): Promise<Access> {
    const dir = join(settings.dataDir, 'gateway', 'channels');
    const kept = await AccessSettings.open({ dir, channelOf, log });
    const countries = await CountryFile.open(settings.gateway.geoip, log);
    const leave = createLeaveClient({ hosts: callbackHosts(settings.gateway.callbackHosts) });
    const rules = [
      signedAddress(secrets.playback, settings.gateway.cdnKey),
      addressLists(),
      regions(countries),
      sites([settings.door.origin, ...settings.door.playOrigins].map((url) => new URL(url).host)),
      eachPart(callback(leave.ask)),
      streamKey(secrets.playback),
    ];
    return new Access({
      settings: kept,
      rules,
      countries,
      onBroken: (error, rule) => log.error({ err: error, rule }, 'a rule of access is broken'),
      async close() {
        countries.close();
        leave.close();
        await kept.close();
      },
    });
  }

  /** How a viewer is decided on, or would be by other rules, with what each rule says. */
  async explain(asked: ExplainRequest): Promise<ExplainAnswer> {
    const resource = asked.resource as PlaybackResource;
    const query = new URLSearchParams(asked.query);
    const request = {
      action: 'play' as const,
      resource,
      ...(asked.path === undefined ? {} : { path: asked.path }),
      query,
      ip: asked.ip,
      referer: asked.referer ?? undefined,
      nowMs: Date.now(),
    };
    const channel = this.#channel(resource);
    const { trial } = asked;
    const { verdict, steps } = await explain(
      this.#rules,
      request,
      trial === undefined ? channel : { ...channel, access: trial },
    );
    return {
      allow: verdict.allow,
      code: verdict.allow ? null : verdict.code,
      rule: verdict.allow ? null : (verdict.rule ?? null),
      steps: [...steps],
      country: this.#countries.of(plainIp(asked.ip)) ?? null,
    };
  }

  /** Stops asking those who are connected, and resolves when all that was said is on disk. */
  async close(): Promise<void> {
    this.open.close();
    await this.#close();
  }

  #channel(resource: PlaybackResource): ChannelAccess {
    try {
      return this.settings.of(resource);
    } catch {
      throw new LecternError('service-unavailable');
    }
  }
}
