// What the school asks of the other services. All that changes something can be asked again.
import { z } from 'zod';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import {
  ExplainAnswer,
  RecordingInfo,
  SettingsTaken,
  type AccessDefaults,
  type ChannelSettings,
  type ExplainRequest,
  type RoomAccess,
} from '#shared/contract/internal.ts';
import { EncoderNow } from '#shared/contract/publish.ts';
import { RelaysInfo, type RelaysPut } from '#shared/contract/relay.ts';
import { callInternal } from '#server/internal-client.ts';
import type { Settings } from '#server/settings.ts';

/** People wait for these answers: a service that hangs must not hold a page up for longer. */
const ANSWER_LIMIT_MS = 2_000;
const DECIDE_LIMIT_MS = 7_000;
const RELAYS_LIMIT_MS = 10_000;

/** Refusals which say that what should be gone is gone. */
const GONE: readonly ErrorCode[] = ['not-found', 'unknown-channel', 'not-live', 'room-closed'];

/** All methods reject with a LecternError if the service refuses or cannot be reached. */
export interface Neighbours {
  /** Ends the class in this room for ever. */
  closeRoom(lesson: string): Promise<void>;
  /** What is published to the class from outside. */
  encoder(lesson: string): Promise<EncoderNow>;
  endBroadcast(channel: string): Promise<void>;
  /** Deletes every recording of the channel. */
  eraseChannel(channel: string): Promise<void>;
  eraseRecording(recording: string): Promise<void>;
  /** What became of the relays of a channel. */
  relays(channel: string): Promise<RelaysInfo>;
  /** Makes them what is wanted. */
  putRelays(channel: string, put: RelaysPut): Promise<RelaysInfo>;
  /** Ends all of them. */
  endRelays(channel: string): Promise<void>;
  /** The recordings that the gateway has, of all channels or of one. */
  recordings(channel?: string): Promise<RecordingInfo[]>;
  /** Tells the gateway who may watch and publish. */
  putSettings(channel: string, settings: ChannelSettings): Promise<SettingsTaken>;
  /** The same for lessons without rules of their own. */
  putDefaults(defaults: AccessDefaults): Promise<SettingsTaken>;
  /** Tells the room which of its links are good, and has it ask the gateway about those it has let in. */
  putRoomAccess(lesson: string, access: RoomAccess): Promise<void>;
  /** Has all rooms do so. */
  recheckRooms(): Promise<void>;
  /** Asks the gateway how it would decide on a viewer. */
  explain(request: ExplainRequest): Promise<ExplainAnswer>;
}

/** Speaks to the services that `settings` name, with the internal secret. */
export function reachNeighbours(
  settings: Pick<Settings, 'LECTERN_SFU_URL' | 'LECTERN_GATEWAY_URL'>,
  secret: string,
): Neighbours {
  const { LECTERN_SFU_URL: sfu, LECTERN_GATEWAY_URL: gateway } = settings;
  const put = (url: string, body: unknown) =>
    callInternal(secret, 'PUT', url, SettingsTaken, body, ANSWER_LIMIT_MS);
  const putVoid = async (url: string, body: unknown) => {
    await callInternal(secret, 'PUT', url, z.unknown(), body, ANSWER_LIMIT_MS);
  };
  const relaysOf = (channel: string) => `${gateway}/internal/channels/${channel}/relays`;
  const remove = async (url: string) => {
    try {
      await callInternal(secret, 'DELETE', url, z.unknown(), undefined, ANSWER_LIMIT_MS);
    } catch (error) {
      if (!(error instanceof LecternError) || !GONE.includes(error.code)) throw error;
    }
  };
  // Many pages ask at once when a class ends: those that come while a question is under way share it.
  const asking = new Map<string, Promise<RecordingInfo[]>>();
  return {
    closeRoom: (lesson) => remove(`${sfu}/internal/rooms/${lesson}`),
    encoder: (lesson) =>
      callInternal(
        secret,
        'GET',
        `${sfu}/internal/rooms/${lesson}/encoder`,
        EncoderNow,
        undefined,
        ANSWER_LIMIT_MS,
      ),
    endBroadcast: (channel) => remove(`${gateway}/internal/channels/${channel}/broadcast`),
    eraseChannel: (channel) => remove(`${gateway}/internal/channels/${channel}`),
    putSettings: (channel, settings) => put(`${gateway}/internal/channels/${channel}/settings`, settings),
    putDefaults: (defaults) => put(`${gateway}/internal/access`, defaults),
    putRoomAccess: (lesson, access) => putVoid(`${sfu}/internal/rooms/${lesson}/access`, access),
    recheckRooms: () => putVoid(`${sfu}/internal/access`, {}),
    // The school's own server may be asked, and has up to five seconds.
    explain: (request) =>
      callInternal(secret, 'POST', `${gateway}/internal/explain`, ExplainAnswer, request, DECIDE_LIMIT_MS),
    relays: (channel) =>
      callInternal(secret, 'GET', relaysOf(channel), RelaysInfo, undefined, ANSWER_LIMIT_MS),
    // The gateway looks the names of the servers up.
    putRelays: (channel, put) =>
      callInternal(secret, 'PUT', relaysOf(channel), RelaysInfo, put, RELAYS_LIMIT_MS),
    endRelays: (channel) => remove(relaysOf(channel)),
    eraseRecording: (recording) => remove(`${gateway}/internal/recordings/${recording}`),
    recordings(channel) {
      const query = channel === undefined ? '' : `?channel=${channel}`;
      const url = `${gateway}/internal/recordings${query}`;
      let answer = asking.get(url);
      if (answer === undefined) {
        const schema = z.array(RecordingInfo);
        answer = callInternal(secret, 'GET', url, schema, undefined, ANSWER_LIMIT_MS);
        asking.set(url, answer);
        const done = () => asking.delete(url);
        answer.then(done, done);
      }
      return answer;
    },
  };
}
