// Encoding in this tab: the tracks' frames go to a worker, which encodes and sends them, so that nothing
// that the page does holds them up.
import type { EncoderEvents, EncoderPort, OpenEncoder } from '../../engine/ports.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { framesOf, hasTrackProcessor } from './track-processor.ts';

const VOICE_BPS = 64_000;
/** With the sound of a screen, which may be music. */
const MIX_BPS = 128_000;
const SAMPLE_RATE = 48_000;
/** How long the goodbye has to leave, in ms. */
const GOODBYE_MS = 1_000;

export const browserEncoder: EncoderPort = {
  available:
    hasTrackProcessor &&
    typeof VideoEncoder === 'function' &&
    typeof AudioEncoder === 'function' &&
    typeof Worker === 'function',
  open: (address, events) => new WorkerEncoder(address, events),
};

class WorkerEncoder implements OpenEncoder {
  readonly #worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  #videoTrack: MediaStreamTrack | null = null;
  #audioTracks: readonly MediaStreamTrack[] = [];
  #mixer: AudioContext | undefined;
  #closed = false;

  constructor(address: string, events: EncoderEvents) {
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (this.#closed) return;
      if (data.type === 'state') events.onState(data.state);
      else if (data.type === 'stats') events.onStats(data.stats);
      else if (data.type === 'notice') events.onNotice(data.notice);
      else events.onRefused(data.code);
    };
    this.#worker.onerror = () => {
      if (!this.#closed) events.onRefused('internal-error');
    };
    this.#post({ type: 'open', address });
  }

  setVideoTrack(track: MediaStreamTrack | null, source: 'camera' | 'screen'): void {
    if (track === this.#videoTrack || this.#closed) return;
    this.#videoTrack = track;
    if (track !== null) track.contentHint = source === 'screen' ? 'detail' : 'motion';
    const frames = track === null ? null : framesOf<VideoFrame>(track);
    this.#post({ type: 'video', frames, source }, frames === null ? [] : [frames]);
  }

  setAudioTracks(tracks: readonly MediaStreamTrack[]): void {
    const same =
      tracks.length === this.#audioTracks.length &&
      tracks.every((track, index) => track === this.#audioTracks[index]);
    if (same || this.#closed) return;
    this.#audioTracks = tracks;
    void this.#mixer?.close();
    this.#mixer = undefined;
    const [first] = tracks;
    // One alone needs no mixer, which a browser may not let sound before a click.
    const track = tracks.length > 1 ? this.#mix(tracks) : first;
    const samples = track === undefined ? null : framesOf<AudioData>(track);
    const bps = tracks.length > 1 ? MIX_BPS : VOICE_BPS;
    this.#post({ type: 'audio', samples, bps }, samples === null ? [] : [samples]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#post({ type: 'close' });
    void this.#mixer?.close();
    setTimeout(() => this.#worker.terminate(), GOODBYE_MS);
  }

  #mix(tracks: readonly MediaStreamTrack[]): MediaStreamTrack | undefined {
    const mixer = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: 'interactive' });
    this.#mixer = mixer;
    void mixer.resume();
    const out = mixer.createMediaStreamDestination();
    for (const track of tracks) mixer.createMediaStreamSource(new MediaStream([track])).connect(out);
    return out.stream.getAudioTracks()[0];
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}
