// A broadcast with everything around it in the test's hands: the clock, the sources, the sinks.
import type { BroadcastFailure } from '#shared/contract/broadcast-notice.ts';
import type { RecordingMode } from '#shared/domain/recording.ts';
import type { BroadcastFeed, FeedTrack, ServiceEvent } from '#shared/contract/internal.ts';
import { aacConfig } from '#shared/media/aac.ts';
import type { AudioFrame, AvcConfig, AudioCodec } from '#shared/media/frame.ts';
import { soundConfig } from '../../support/sound-config.ts';
import { Channels } from '../../../gateway/channel/channels.ts';
import type { DiskTrouble } from '#shared/contract/errors.ts';
import type { LadderOptions, Outputs, ProgrammeAsks } from '../../../gateway/channel/ports.ts';
import type {
  MixerOptions,
  Scaling,
  SourceFrame,
  SourceHandlers,
  Sources,
} from '../../../gateway/channel/sources.ts';

export const CHANNEL = 'channel12';
export const RESUME_MS = 60_000;
/** Of a picture of this size; nothing else of it is looked at here. */
export const sized = (width: number, height: number) =>
  ({ codec: 'h264', width, height, pixelAspect: [1, 1] }) as unknown as AvcConfig;
const CONFIG = sized(1_280, 720);
const AAC = aacConfig(48_000, 2);
const NO_DATA = new Uint8Array(0);
export const FROM = { ip: '127.0.0.1', port: 40_000 };

export const camera = (over: Partial<FeedTrack> = {}): FeedTrack => ({
  id: 'cam',
  kind: 'video',
  source: 'camera',
  codec: 'h264',
  ssrc: 1,
  payloadType: 101,
  clockRate: 90_000,
  layer: 0,
  ...over,
});
export const microphone = (over: Partial<FeedTrack> = {}): FeedTrack => ({
  ...camera(),
  id: 'mic',
  kind: 'audio',
  source: 'microphone',
  codec: 'opus',
  ssrc: 2,
  payloadType: 100,
  clockRate: 48_000,
  ...over,
});

export interface StageOptions {
  readonly resumeAtUs?: number;
  readonly over?: string[];
  readonly ladderFails?: boolean;
  readonly scaling?: Scaling;
  /** How many renditions the audience was told of. */
  readonly renditions?: number;
  readonly recordingMode?: RecordingMode;
}

export function setStage(options: StageOptions = {}) {
  let nowMs = 1_000;
  let tick: () => void = () => undefined;
  const log: string[] = [];
  const events: ServiceEvent[] = [];
  const open = new Map<string, { track: FeedTrack; handlers: SourceHandlers }>();
  let mixing: MixerOptions | undefined;
  let diskTrouble: LadderOptions['onTrouble'] | undefined;
  let requestKeyframe: () => void = () => undefined;
  let wantAudio: ProgrammeAsks['wantAudio'] = () => undefined;
  let finalize: () => void = () => undefined;
  let isRecorded = true;

  const sources: Sources = {
    address: { ip: '127.0.0.1', port: 8084 },
    openGroup: () => ({
      counts: { packets: 0, bytes: 0, lost: 0, keyframeRequests: 0 },
      open(track, _from, handlers) {
        log.push(`open ${track.id}`);
        open.set(track.id, { track, handlers });
        return {
          transcoded: track.codec === 'vp8',
          update: () => undefined,
          requestKeyframe: () => log.push(`pli ${track.id}`),
          close() {
            log.push(`close ${track.id}`);
            open.delete(track.id);
          },
        };
      },
      close() {
        for (const id of open.keys()) log.push(`close ${id}`);
        open.clear();
      },
    }),
  };
  const outputs: Outputs = {
    openProgramme(_info, asks) {
      requestKeyframe = asks.requestKeyframe;
      wantAudio = asks.wantAudio;
      return {
        writeFrame({ kind, ptsUs, data }) {
          if (data !== NO_DATA) log.push(`programme ${kind} ${Math.round(ptsUs / 1_000)}`);
        },
        end: () => log.push('programme end'),
      };
    },
    openLadder({ onTrouble }) {
      if (options.ladderFails === true) throw new Error("ENOENT: no such file, open '/srv/data/x'");
      diskTrouble = onTrouble;
      return {
        resumeAtUs: options.resumeAtUs ?? 0,
        renditions: options.renditions,
        recordedMs: 0,
        audioCodec: 'aac',
        setTracks: (tracks) => log.push(`ladder tracks [${tracks.map(({ id }) => id).join(' ')}]`),
        writeVideo: (track, { ptsUs }) => log.push(`ladder ${track.id} ${Math.round(ptsUs / 1_000)}`),
        writeAudio({ data }) {
          if (data !== NO_DATA) log.push('ladder audio');
        },
        writeStill: () => log.push('ladder still'),
        record(isOn) {
          if (isOn === isRecorded) return;
          log.push(`ladder ${isOn ? 'recorded' : 'not recorded'}`);
          isRecorded = isOn;
        },
        interrupt: () => log.push('ladder interrupted'),
        end() {
          log.push('ladder end');
          return new Promise((resolve) => (finalize = resolve));
        },
      };
    },
    viewers: () => ({ flv: 1, hls: 2, rtmp: 3 }),
    isOver: (broadcast) => options.over?.includes(broadcast) === true,
  };
  const channels = new Channels({
    sources,
    scaling: options.scaling,
    outputs,
    mixing: {
      open(given) {
        mixing = given;
        return {
          want: (codecs) => log.push(`want ${[...codecs].sort().join(' ')}`),
          addPacket(source, ptsUs) {
            log.push(`sound ${source} ${Math.round(ptsUs / 1_000)}`);
            // What the encoder makes of it, which nobody looks at here.
            given.onFrame({ kind: 'audio', ptsUs, durationUs: 20_000, data: NO_DATA, config: AAC });
          },
          configOf: soundConfig,
          remove: (source) => log.push(`silence ${source}`),
          close: () => log.push('mixer closed'),
        };
      },
    },
    clock: {
      nowMs: () => nowMs,
      wallMs: () => nowMs + 1_700_000_000_000,
      every(_intervalMs, call) {
        tick = call;
        return () => (tick = () => undefined);
      },
    },
    resumeMs: RESUME_MS,
    recordingMode: () => options.recordingMode ?? 'automatic',
    log: { info: () => undefined, error: (_what, message) => log.push(`error ${message}`) },
    onEvent: (event) => events.push(event),
  });

  const frame = (id: string, made: SourceFrame) => open.get(id)?.handlers.onFrame(made);
  return {
    channels,
    log,
    diskTrouble: (trouble: DiskTrouble | null) => diskTrouble?.(trouble),
    events,
    openTracks: () => [...open.keys()],
    states: () => events.flatMap((event) => (event.type === 'broadcast:changed' ? [event.state] : [])),
    state: () => channels.status(CHANNEL)?.state,
    feed: (tracks: FeedTrack[], over: Partial<BroadcastFeed> = {}) =>
      channels.feed(CHANNEL, {
        broadcast: 'broadcast1',
        lesson: 'lesson123',
        title: 'A class',
        from: tracks.length > 0 ? FROM : null,
        tracks,
        teaching: 'away',
        ...over,
      }),
    /** A picture captured now, or `agoMs` ago. */
    picture: (id: string, key = false, agoMs = 0, config = CONFIG) =>
      frame(id, { kind: 'video', captureMs: nowMs - agoMs, key, data: new Uint8Array(4), config }),
    sound: (id: string, agoMs = 0) =>
      frame(id, { kind: 'audio', captureMs: nowMs - agoMs, data: Uint8Array.of(0xf8) }),
    fail: (id: string, why: BroadcastFailure) => open.get(id)?.handlers.onFailure(why),
    aac: (made: AudioFrame) => mixing?.onFrame(made),
    wallMs: () => nowMs + 1_700_000_000_000,
    positionUs: () => mixing?.positionUs(),
    askKeyframe: () => requestKeyframe(),
    wantAudio: (...codecs: AudioCodec[]) => wantAudio(new Set(codecs), undefined),
    finalize: () => finalize(),
    /** Lets time pass in steps of 100 ms; `each` happens in each. */
    pass(forMs: number, each: () => void = () => undefined) {
      for (let passed = 0; passed < forMs; passed += 100) {
        nowMs += 100;
        each();
        tick();
      }
    },
  };
}
