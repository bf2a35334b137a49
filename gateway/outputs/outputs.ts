// All outputs of the gateway: what is on air on each channel, and what was a moment ago.
import type { AudioCodec } from '#shared/media/frame.ts';
import type { Log } from '#server/log.ts';
import { diskTroubleOf } from '#server/storage.ts';
import type {
  BroadcastInfo,
  LadderOptions,
  LadderSink,
  Outputs,
  ProgrammeAsks,
  ProgrammeSink,
  ViewerCount,
} from '../channel/ports.ts';
import type { SegmentLog } from '../store/segment-log.ts';
import type { RecordingStore } from '../store/recording-store.ts';
import { Ladder } from '../hls/ladder.ts';
import { HlsViewers } from '../servers/hls/viewers.ts';
import type { EgressMetrics } from './metrics.ts';
import { FlvProgramme } from '../flv/programme.ts';
import { flvOpusWire, flvWire, relayWire, type Wire } from '../flv/tag.ts';

/** How long playlists of a broadcast that ended are served, so that every player learns of its end. */
const FAREWELL_MS = 60_000;

export interface OutputsOptions {
  readonly store: RecordingStore;
  /** Of players that get all, or one kind of media. */
  readonly rtmpWires: readonly Wire[];
  /** Of HLS and recordings. */
  readonly hlsAudioCodec: AudioCodec;
  readonly metrics: EgressMetrics;
  readonly log: Log;
}

export class Egress implements Outputs {
  readonly hlsViewers = new HlsViewers();
  readonly #options: OutputsOptions;
  readonly #programmes = new Map<string, FlvProgramme>();
  /** One for each broadcast that ended within {@link FAREWELL_MS}. */
  readonly #farewells = new Map<string, NodeJS.Timeout>();

  constructor(options: OutputsOptions) {
    this.#options = options;
    options.metrics.watch({
      viewers: () => this.#totals(),
      diskBytes: () => options.store.bytes,
    });
  }

  openProgramme(info: BroadcastInfo, asks: ProgrammeAsks): ProgrammeSink {
    const { metrics, rtmpWires } = this.#options;
    this.#programmes.get(info.channel)?.end();
    const programme = new FlvProgramme({
      wires: [flvWire, flvOpusWire, ...rtmpWires, relayWire],
      asks,
      eventsOf: ({ protocol }) => ({
        sent: (bytes) => metrics.sent(protocol, bytes, info.channel),
        slow: (outcome) => metrics.slow(protocol, outcome, info.channel),
      }),
      onEnd: () => {
        if (this.#programmes.get(info.channel) !== programme) return;
        this.#programmes.delete(info.channel);
        metrics.deliveries.close(info.channel);
      },
    });
    this.#programmes.set(info.channel, programme);
    metrics.deliveries.open(info.channel);
    return programme;
  }

  openLadder(options: LadderOptions): LadderSink {
    const { info } = options;
    const { store, hlsAudioCodec, log } = this.#options;
    const recording = store.take(info, {
      changed: options.onRecording,
      troubled: (error) => {
        const { broadcast } = info;
        if (error === undefined) log.info({ broadcast }, 'recording goes on');
        else log.error({ err: error, broadcast }, 'recording waits for the disk, the broadcast goes on');
        options.onTrouble(error === undefined ? null : (diskTroubleOf(error) ?? 'disk-unavailable'));
      },
      lost: (rows) => {
        log.error({ broadcast: info.broadcast, rows }, 'the recording has a gap');
        this.#options.metrics.lost(rows);
      },
      completed: () => this.#options.metrics.row(),
    });
    return new Ladder({ ...options, audioCodec: hlsAudioCodec }, recording, () =>
      this.#sayFarewell(info.broadcast),
    );
  }

  viewers(channel: string): ViewerCount {
    const programme = this.#programmes.get(channel);
    return {
      flv: programme?.viewers(flvWire, flvOpusWire) ?? 0,
      hls: this.hlsViewers.count(channel),
      rtmp: programme?.viewers(...this.#options.rtmpWires) ?? 0,
    };
  }

  isOver(broadcast: string): boolean {
    return this.#options.store.isOver(broadcast);
  }

  /** What FLV and RTMP viewers of a channel join; undefined while nothing is on air. */
  programme(channel: string): FlvProgramme | undefined {
    return this.#programmes.get(channel);
  }

  /**
   * The segments of what is on air on a channel, or ended within the last minute, or was cut off by a
   * crash and may come back: playlists go on being served meanwhile.
   */
  onAir(channel: string): SegmentLog | undefined {
    return this.#options.store.latest(channel);
  }

  /** Lets all viewers go. */
  close(): void {
    for (const timer of this.#farewells.values()) clearTimeout(timer);
    this.#farewells.clear();
    for (const programme of [...this.#programmes.values()]) programme.end();
  }

  #sayFarewell(broadcast: string): void {
    if (this.#farewells.has(broadcast)) return;
    const timer = setTimeout(() => {
      this.#farewells.delete(broadcast);
      void this.#options.store.retire(broadcast);
    }, FAREWELL_MS);
    this.#farewells.set(broadcast, timer);
  }

  #totals(): ViewerCount {
    const totals: ViewerCount = { flv: 0, hls: this.hlsViewers.total(), rtmp: 0 };
    for (const programme of this.#programmes.values()) {
      totals.flv += programme.viewers(flvWire, flvOpusWire);
      totals.rtmp += programme.viewers(...this.#options.rtmpWires);
    }
    return totals;
  }
}
