// A class on air without a browser: what the SFU would state to the gateway is stated here, and an
// RtpSource sends the media.
import type { BroadcastFeed, BroadcastStatus } from '#shared/contract/internal.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import type { Lesson } from '#shared/contract/rest.ts';
import type { RecordingChoice } from '#shared/domain/recording.ts';
import { internalClient } from '#server/internal-client.ts';
import { loadSecrets } from '#server/secrets.ts';
import { eventually, type Lectern } from './lectern.ts';
import { AUDIO, VIDEO, type RtpSource } from './rtp-source.ts';

/** How often the feed is stated; the gateway misses it after five seconds. */
const STATE_EVERY_MS = 1_000;
/** And after no answer: as the SFU does (sfu/room/features/broadcast/statement.ts). */
const RETRY_EVERY_MS = 150;

export interface OnAir {
  /** What the gateway says now. */
  status(): Promise<BroadcastStatus>;
  /** Somebody who teaches chooses whether it is recorded; resolves once the gateway has heard of it. */
  record(choice: RecordingChoice): Promise<void>;
  /** The teacher goes away without a word: no media, and nobody states a feed. */
  vanish(): void;
}

/** Where the gateway of this Lectern listens. */
export const gatewayOf = (lectern: Lectern): string =>
  String(lectern.log.findLast((line) => line.msg === 'ready')?.gatewayUrl);

/** Puts `lesson` on air from `source` as `broadcast`, and resolves when it is live and plays over HLS. */
export async function putOnAir(
  lectern: Lectern,
  lesson: Lesson,
  source: RtpSource,
  broadcast: string,
): Promise<OnAir> {
  const secret = loadSecrets(lectern.dataDir).internal;
  const feed: BroadcastFeed = {
    broadcast,
    lesson: lesson.id,
    title: lesson.title,
    from: source.from,
    tracks: [
      { id: `${broadcast}:v`, kind: 'video', source: 'camera', codec: 'h264', layer: 0, ...VIDEO },
      {
        id: `${broadcast}:a`,
        kind: 'audio',
        source: 'microphone',
        codec: 'opus',
        layer: 0,
        channels: 2,
        ...AUDIO,
      },
    ],
    teaching: 'sending',
  };
  const gateway = internalClient(INTERNAL.gateway, () => [gatewayOf(lectern)], secret);
  let recording: BroadcastFeed['recording'];
  const put = () => {
    const reports = source.reports?.();
    const tracks = feed.tracks.map((track) => ({ ...track, senderReport: reports?.[track.kind] }));
    return gateway.feedChannel({ params: { channel: lesson.channel }, body: { ...feed, tracks, recording } });
  };
  const { ingest } = await put();
  source.sendTo({ ip: ingest.ip, ports: ingest.port });
  let timer: NodeJS.Timeout | undefined;
  const stateIn = (ms: number) => {
    timer = setTimeout(() => {
      put().then(
        () => timer && stateIn(STATE_EVERY_MS),
        () => timer && stateIn(RETRY_EVERY_MS),
      );
    }, ms).unref();
  };
  stateIn(STATE_EVERY_MS);
  const vanish = () => {
    clearTimeout(timer);
    timer = undefined;
    source.sendTo(undefined);
  };
  try {
    await eventually('the class is live', async () => (await put()).state === 'live');
    await eventually('it plays over HLS', async () => (await fetch(lesson.play.hls)).ok);
  } catch (error) {
    vanish();
    throw error;
  }
  const record = async (choice: RecordingChoice) => {
    recording = { choice, atMs: Date.now() };
    await put();
  };
  return { status: put, record, vanish };
}
