// What the SFU and the school ask of the gateway: `/internal/…` of shared/contract/internal.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import { ChannelId, RecordingId } from '#shared/contract/ids.ts';
import {
  AccessDefaults,
  AccessQuestion,
  BroadcastFeed,
  ChannelSettings,
  ExplainRequest,
  type AccessAnswer,
  type RecordingInfo,
} from '#shared/contract/internal.ts';
import { RelaysPut } from '#shared/contract/relay.ts';
import { check, readJson, requireBearer, sendError, sendJson } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import type { GatewayStatus } from '#shared/contract/status.ts';
import type { Access } from './access/access.ts';
import type { Channels } from './channel/channels.ts';
import type { Relays } from './relay/relays.ts';

const PREFIX = '/internal/';

/** The recordings on disk, as far as the other services may ask of them. */
export interface Recordings {
  list(channel?: string): RecordingInfo[];
  /** Erases one with its files; resolves as well if there is none. */
  erase(recording: string): Promise<void>;
  eraseChannel(channel: string): Promise<void>;
  /** Makes those final that wait for a broadcast which was on air when the gateway was killed. */
  conclude(channel: string): void;
}

/** Decides for the SFU, by the same rules as for everyone. Never rejects. */
export type Answer = (question: AccessQuestion) => Promise<AccessAnswer>;

export interface InternalOptions {
  readonly decide: Answer;
  readonly channels: Channels;
  readonly recordings: Recordings;
  readonly status: () => Promise<GatewayStatus>;
  readonly access: Pick<Access, 'settings' | 'explain'>;
  readonly relays: Pick<Relays, 'get' | 'put' | 'forget'>;
  readonly secret: string;
  readonly log: Log;
}

/** Answers a request and resolves with true; with false if it is for something else. */
export type InternalApi = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

export function createInternalApi(options: InternalOptions): InternalApi {
  const { channels, recordings, relays, access, decide, status, secret, log } = options;

  async function answer(request: IncomingMessage, path: string, query: URLSearchParams): Promise<unknown> {
    const method = request.method ?? '';
    const [noun, id, part, ...more] = path.split('/');
    if (more.length > 0) throw new LecternError('not-found');
    if (noun === 'channels' && id !== undefined && part === 'broadcast') {
      const channel = check(ChannelId, id);
      if (method === 'PUT') {
        const broadcast = channels.feed(channel, await readJson(request, BroadcastFeed));
        return { ...broadcast, accessEpoch: access.settings.versionOf(channel) };
      }
      if (method !== 'DELETE') throw new LecternError('method-not-allowed');
      // What is on air ends now; to make the recording final may take longer than a caller waits.
      void channels.stop(channel);
      recordings.conclude(channel);
      return channels.status(channel) ?? {};
    }
    if (noun === 'channels' && id !== undefined && part === 'settings') {
      if (method !== 'PUT') throw new LecternError('method-not-allowed');
      const channel = check(ChannelId, id);
      return access.settings.put(channel, await readJson(request, ChannelSettings));
    }
    if (noun === 'access' && id === undefined) {
      if (method !== 'PUT') throw new LecternError('method-not-allowed');
      return access.settings.putDefaults(await readJson(request, AccessDefaults));
    }
    if (noun === 'explain' && id === undefined) {
      if (method !== 'POST') throw new LecternError('method-not-allowed');
      return access.explain(await readJson(request, ExplainRequest));
    }
    if (noun === 'channels' && id !== undefined && part === 'relays') {
      const channel = check(ChannelId, id);
      if (method === 'GET') return relays.get(channel);
      if (method === 'PUT') return relays.put(channel, await readJson(request, RelaysPut));
      if (method !== 'DELETE') throw new LecternError('method-not-allowed');
      relays.forget(channel);
      return {};
    }
    if (noun === 'channels' && id !== undefined && part === undefined) {
      if (method !== 'DELETE') throw new LecternError('method-not-allowed');
      const channel = check(ChannelId, id);
      await access.settings.bury(channel);
      relays.forget(channel);
      await channels.forget(channel);
      await recordings.eraseChannel(channel);
      return {};
    }
    if (noun === 'recordings' && id === undefined) {
      if (method !== 'GET') throw new LecternError('method-not-allowed');
      const channel = query.get('channel');
      return recordings.list(channel === null ? undefined : check(ChannelId, channel));
    }
    if (noun === 'recordings' && id !== undefined && part === undefined) {
      if (method !== 'DELETE') throw new LecternError('method-not-allowed');
      await recordings.erase(check(RecordingId, id));
      return {};
    }
    if (noun === 'decide' && id === undefined) {
      if (method !== 'POST') throw new LecternError('method-not-allowed');
      return decide(await readJson(request, AccessQuestion));
    }
    if (noun === 'status' && id === undefined) {
      if (method !== 'GET') throw new LecternError('method-not-allowed');
      return status();
    }
    throw new LecternError('not-found');
  }

  return async (request, response) => {
    const url = request.url ?? '';
    if (!url.startsWith(PREFIX)) return false;
    try {
      requireBearer(request, secret);
      const [path = '', query = ''] = url.slice(PREFIX.length).split('?', 2);
      sendJson(response, 200, await answer(request, path, new URLSearchParams(query)));
    } catch (error) {
      sendError(response, error, log, url);
    }
    return true;
  };
}
