// What the SFU and the school ask of the gateway (shared/contract/internal-api.ts).
import type { AccessAnswer, AccessQuestion, RecordingInfo } from '#shared/contract/internal.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { serveInternal, type InternalApi } from '#server/internal-server.ts';
import type { Log } from '#server/log.ts';
import type { GatewayStatus } from '#shared/contract/status.ts';
import type { TrimSpan } from '#shared/contract/trim.ts';
import type { Access } from './access/access.ts';
import type { Channels } from './channel/channels.ts';
import type { Relays } from './relay/relays.ts';

/** The recordings on disk, as far as the other services may ask of them. */
export interface RecordingPort {
  list(channel?: string): RecordingInfo[];
  /** Erases one with its files; resolves as well if there is none. */
  erase(recording: string): Promise<void>;
  eraseChannel(channel: string): Promise<void>;
  /** Shows of one only what is wholly in this time; null: all of it. Rejects as RecordingStore.trim. */
  trim(recording: string, trim: TrimSpan | null): Promise<RecordingInfo>;
  /** Makes those final that wait for a broadcast which was on air when the gateway was killed. */
  conclude(channel: string): void;
}

/** Decides for the SFU, by the same rules as for everyone. Never rejects. */
export type Answer = (question: AccessQuestion) => Promise<AccessAnswer>;

export interface GatewayInternalOptions {
  readonly decide: Answer;
  readonly channels: Channels;
  readonly recordings: RecordingPort;
  readonly status: () => Promise<GatewayStatus>;
  readonly access: Pick<Access, 'settings' | 'explain'>;
  readonly relays: Pick<Relays, 'get' | 'put' | 'forget'>;
  readonly secret: string;
  readonly log: Log;
}

export function createInternalApi(options: GatewayInternalOptions): InternalApi {
  const { channels, recordings, relays, access, decide, status, secret, log } = options;
  return serveInternal(
    INTERNAL.gateway,
    {
      feedChannel({ params: { channel }, body }) {
        const broadcast = channels.feed(channel, body);
        return { ...broadcast, accessEpoch: access.settings.versionOf(channel) };
      },
      endBroadcast({ params: { channel } }) {
        // What is on air ends now; to make the recording final may take longer than a caller waits.
        void channels.stop(channel);
        recordings.conclude(channel);
        return channels.status(channel) ?? {};
      },
      async eraseChannel({ params: { channel } }) {
        await access.settings.tombstone(channel);
        relays.forget(channel);
        await channels.forget(channel);
        await recordings.eraseChannel(channel);
      },
      listRecordings: ({ query }) => recordings.list(query.channel),
      eraseRecording: ({ params }) => recordings.erase(params.recording),
      trimRecording: ({ params, body }) => recordings.trim(params.recording, body.trim),
      putSettings: ({ params, body }) => access.settings.put(params.channel, body),
      putDefaults: ({ body }) => access.settings.putDefaults(body),
      decide: ({ body }) => decide(body),
      explain: ({ body }) => access.explain(body),
      getRelays: ({ params }) => relays.get(params.channel),
      putRelays: ({ params, body }) => relays.put(params.channel, body),
      endRelays: ({ params }) => relays.forget(params.channel),
      status,
    },
    secret,
    log,
  );
}
