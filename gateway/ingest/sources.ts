// The way in: opens the RTP port and turns the tracks of a feed into frames with a time.
import { randomInt } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { FeedTrack } from '#shared/contract/internal.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { Log } from '#server/log.ts';
import type {
  FeedAddress,
  SourceFrame,
  SourceGroup,
  SourceHandlers,
  Sources,
  TrackSource,
} from '../channel/sources.ts';
import { ClockGroup, TrackClock } from './clock.ts';
import { ivf } from '../ffmpeg/containers/ivf.ts';
import { IngestTally, type IngestCounts } from './metrics.ts';
import type { CodedVideoFrame } from './rtp/depacketiser.ts';
import { RtpReceiver, type StreamUnit } from './rtp/receiver.ts';
import { RtpSocket } from './rtp/socket.ts';
import type { Vp8Config } from './rtp/vp8.ts';
import { Transcoder } from '../ffmpeg/transcoder.ts';

/** Frames of a track that wait for its clock: more than a second of anything. */
const MAX_HELD = 600;

export interface IngestOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** The address at which the SFU finds this machine. */
  readonly ip: string;
  readonly ffmpeg: string;
  readonly log: Log;
  readonly metrics: Registry;
}

/** {@link Sources}, and the end of it. */
export interface Ingest extends Sources {
  /** Idempotent; closes every track first. */
  close(): void;
}

/** What the tracks of all broadcasts share. */
interface Ground {
  readonly socket: RtpSocket;
  readonly tally: IngestTally;
  readonly ffmpeg: string;
  readonly log: Log;
  readonly nowMs: () => number;
}

/** Opens the port. Rejects with the system's error, e.g. EADDRINUSE. */
export async function openIngest({ port, ip, ffmpeg, log, metrics }: IngestOptions): Promise<Ingest> {
  const nowMs = () => performance.now();
  const tally = new IngestTally(metrics);
  const socket = await RtpSocket.open({
    port,
    // Only what is on this machine can reach a loopback address; elsewhere any interface will do.
    host: ip.startsWith('127.') ? ip : '0.0.0.0',
    counts: tally.common,
    nowMs,
    onError: (error) => log.error({ err: error }, 'the ingest port failed'),
  });
  const ground: Ground = { socket, tally, ffmpeg, log, nowMs };
  const groups = new Set<Group>();
  return {
    address: { ip, port: socket.port },
    openGroup() {
      const group = new Group(ground, () => groups.delete(group));
      groups.add(group);
      return group;
    },
    close() {
      for (const group of [...groups]) group.close();
      socket.close();
    },
  };
}

class Group implements SourceGroup {
  readonly counts: IngestCounts;
  readonly #ground: Ground;
  readonly #onClosed: () => void;
  readonly #clocks = new ClockGroup();
  readonly #tracks = new Set<Track>();

  constructor(ground: Ground, onClosed: () => void) {
    this.#ground = ground;
    this.#onClosed = onClosed;
    this.counts = ground.tally.open();
  }

  open(track: FeedTrack, from: FeedAddress, handlers: SourceHandlers): TrackSource {
    const source = new Track(this.#ground, this.counts, this.#clocks, track, from, handlers, () =>
      this.#tracks.delete(source),
    );
    this.#tracks.add(source);
    return source;
  }

  close(): void {
    for (const track of [...this.#tracks]) track.close();
    this.#ground.tally.close(this.counts);
    this.#onClosed();
  }
}

class Track implements TrackSource {
  readonly #ground: Ground;
  readonly #clock: TrackClock;
  readonly #receiver: RtpReceiver;
  readonly #transcoder: Transcoder<Vp8Config> | undefined;
  readonly #handlers: SourceHandlers;
  readonly #unroute: () => void;
  readonly #onClosed: () => void;
  #held: { ticks: number; make: (captureMs: number) => SourceFrame }[] = [];
  #state: 'open' | 'closed' = 'open';

  constructor(
    ground: Ground,
    counts: IngestCounts,
    clocks: ClockGroup,
    track: FeedTrack,
    from: FeedAddress,
    handlers: SourceHandlers,
    onClosed: () => void,
  ) {
    this.#ground = ground;
    this.#handlers = handlers;
    this.#onClosed = onClosed;
    this.#clock = new TrackClock(track.clockRate, clocks, track.source.startsWith('encoder'));
    this.#receiver = new RtpReceiver({
      track,
      clock: this.#clock,
      counts,
      ownSsrc: randomInt(1, 2 ** 32 - 1),
      onUnit: (unit) => this.#unit(unit),
      send: (packet) => ground.socket.send(packet, from),
    });
    this.#transcoder =
      track.codec !== 'vp8'
        ? undefined
        : new Transcoder({
            ffmpeg: ground.ffmpeg,
            clockRate: track.clockRate,
            what: 'This browser’s VP8',
            container: ivf,
            outputs: [{ onFrame: (frame) => this.#emitFrame(frame) }],
            onKeyframeNeeded: () => this.requestKeyframe(),
            onFailure: (reason, code) => {
              ground.log.error({ track: track.id, reason }, 'a track cannot be converted');
              this.#handlers.onFailure(code);
            },
            onLog: (line) => ground.log.warn({ track: track.id, line }, 'ffmpeg says'),
          });
    this.#unroute = ground.socket.route(from, this.#receiver, (error) => {
      ground.log.error({ err: error, track: track.id }, 'a track broke');
      handlers.onFailure('unreadable');
    });
    this.update(track);
    this.requestKeyframe();
  }

  get transcoded(): boolean {
    return this.#transcoder !== undefined;
  }

  update(track: FeedTrack): void {
    if (track.senderReport !== undefined) this.#clock.feedReport(track.senderReport, this.#ground.nowMs());
  }

  requestKeyframe(): void {
    this.#receiver.requestKeyframe(this.#ground.nowMs());
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#unroute();
    this.#transcoder?.close();
    this.#held = [];
    this.#onClosed();
  }

  #unit(unit: StreamUnit): void {
    if (unit.kind === 'vp8') {
      this.#transcoder?.transcode(unit.frame);
    } else if (unit.kind === 'h264') {
      this.#emitFrame(unit.frame);
    } else {
      const { ticks, data } = unit;
      this.#emit(ticks, (captureMs) => ({ kind: 'audio', captureMs, data }));
    }
  }

  #emitFrame({ ticks, key, data, config }: CodedVideoFrame<AvcConfig>): void {
    this.#emit(ticks, (captureMs) => ({ kind: 'video', captureMs, key, data, config }));
  }

  /** Gives a frame out once its time is known; until then it waits, and is not lost. */
  #emit(ticks: number, make: (captureMs: number) => SourceFrame): void {
    if (this.#state === 'closed') return;
    const nowMs = this.#ground.nowMs();
    if (this.#held.length > 0 || this.#clock.localMs(ticks, nowMs) === undefined) {
      this.#held.push({ ticks, make });
      if (this.#held.length < MAX_HELD && this.#clock.localMs(ticks, nowMs) === undefined) return;
      const held = this.#held;
      this.#held = [];
      for (const frame of held) this.#give(frame.ticks, frame.make, nowMs);
      return;
    }
    this.#give(ticks, make, nowMs);
  }

  #give(ticks: number, make: (captureMs: number) => SourceFrame, nowMs: number): void {
    const captureMs = this.#clock.localMs(ticks, nowMs);
    if (captureMs !== undefined && this.#state === 'open') this.#handlers.onFrame(make(captureMs));
  }
}
