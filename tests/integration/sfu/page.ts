// Runs in Chromium: the smallest classroom that publishes and receives. Bundled by browser.ts.
import './web-rtc-http.ts';
import { Device, type types } from 'mediasoup-client';
import { io, type Socket } from 'socket.io-client';
import type { Ack, Joined, Welcome } from '#shared/contract/signalling.ts';
import type { ConsumerView, TransportView } from '#shared/contract/features/media.ts';

type Source = 'camera' | 'microphone' | 'screen';
const ABS_CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';

class Classroom {
  #socket: Socket | undefined;
  #device: Device | undefined;
  #joined: Joined | undefined;
  #send: Promise<types.Transport> | undefined;
  #recv: types.Transport | undefined;
  readonly #wanted: Source[] = [];
  readonly #producers: types.Producer[] = [];
  readonly #consumers = new Map<string, { consumer: types.Consumer; video: HTMLVideoElement | null }>();
  /** What happened, for the test to read. */
  readonly facts: { name: string; data: unknown; atMs: number }[] = [];
  /** Leaves out what a network blocks. */
  protocols = ['udp', 'tcp'];
  joins: { tookMs: number; resumed: boolean; firstFrameMs?: number }[] = [];

  /** Connects, joins, and joins again whenever it must. */
  async enter(url: string, ticket: string): Promise<void> {
    const socket = io(url, {
      transports: ['websocket'],
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      auth: (give) => give({ ticket, ...(this.#joined && { session: this.#joined.session }) }),
    });
    this.#socket = socket;
    socket.onAny((name: string, data: unknown) => this.facts.push({ name, data, atMs: Date.now() }));
    socket.on('consumer:created', (view: ConsumerView) => void this.#consume(view));
    socket.on('consumer:closed', ({ consumerId }: { consumerId: string }) => {
      this.#consumers.get(consumerId)?.consumer.close();
      this.#consumers.delete(consumerId);
    });
    socket.on('room:restarted', () => void this.#join());
    await new Promise<void>((resolve, reject) => {
      socket.on('connect_error', reject);
      socket.on('room:welcomed', (welcome: Welcome) => {
        void (async () => {
          if (this.#device === undefined) {
            const forcedRtpExtensions = { [ABS_CAPTURE_TIME]: true };
            this.#device = await Device.factory({ forcedRtpExtensions });
            await this.#device.load({ routerRtpCapabilities: welcome.routerRtpCapabilities });
          }
          await this.#join();
          resolve();
        })().catch(reject);
      });
    });
  }

  async publish(source: Source): Promise<void> {
    this.#wanted.push(source);
    await this.#produce(source);
  }

  /** The network takes the socket away; socket.io comes back by itself. */
  loseSocket(): void {
    this.#socket?.io.engine.close();
  }

  /** How many pictures were decoded, over all videos. */
  async frames(): Promise<number> {
    let frames = 0;
    for (const { consumer } of this.#consumers.values()) {
      for (const report of (await consumer.getStats()).values()) {
        if (report.type === 'inbound-rtp' && report.kind === 'video') frames += report.framesDecoded ?? 0;
      }
    }
    return frames;
  }

  async size(): Promise<{ width: number; height: number; codec: string; audioPackets: number }> {
    const found = { width: 0, height: 0, codec: '', audioPackets: 0 };
    for (const { consumer } of this.#consumers.values()) {
      const stats = await consumer.getStats();
      for (const report of stats.values()) {
        if (report.type !== 'inbound-rtp') continue;
        if (report.kind === 'audio') found.audioPackets += report.packetsReceived ?? 0;
        else {
          Object.assign(found, { width: report.frameWidth ?? 0, height: report.frameHeight ?? 0 });
          found.codec = stats.get(report.codecId)?.mimeType ?? '';
        }
      }
    }
    return found;
  }

  /** What this tab sends, by layer. */
  async sent(): Promise<unknown[]> {
    const found: unknown[] = [];
    for (const producer of this.#producers) {
      for (const report of (await producer.getStats()).values()) {
        if (report.type !== 'outbound-rtp' || report.kind !== 'video') continue;
        const { rid, frameWidth, framesPerSecond, framesEncoded, qualityLimitationReason } = report;
        found.push({ rid, frameWidth, framesPerSecond, framesEncoded, qualityLimitationReason });
      }
    }
    return found;
  }

  async ask<T>(name: string, data: unknown): Promise<T> {
    const answer = (await this.#socket?.timeout(10_000).emitWithAck(name, data)) as Ack<T>;
    if (!answer.ok) throw new Error(answer.error.code);
    return answer.data;
  }

  async #join(): Promise<void> {
    const device = this.#device;
    if (device === undefined) return;
    const started = performance.now();
    const joined = await this.ask<Joined>('room:join', {
      name: 'Test',
      rtpCapabilities: device.recvRtpCapabilities,
    });
    this.#joined = joined;
    const join: Classroom['joins'][number] = { tookMs: performance.now() - started, resumed: joined.resumed };
    this.joins.push(join);
    if (!joined.resumed) {
      this.#recv?.close();
      void this.#send?.then((send) => send.close());
      this.#send = undefined;
      this.#consumers.clear();
      this.#recv = device.createRecvTransport(this.#reachable(joined.recvTransport));
      this.#connects(this.#recv);
    }
    const fresh = joined.consumers.filter(({ id }) => !this.#consumers.has(id));
    await Promise.all(
      fresh.map((view) =>
        this.#consume(view, () => {
          join.firstFrameMs ??= performance.now() - started;
        }),
      ),
    );
    if (!joined.resumed) await Promise.all(this.#wanted.map((source) => this.#produce(source)));
  }

  async #consume(view: ConsumerView, onFrame = () => {}): Promise<void> {
    const consumer = await this.#recv?.consume({
      id: view.id,
      producerId: view.producerId,
      kind: view.kind,
      rtpParameters: view.rtpParameters as never,
    });
    if (consumer === undefined) return;
    const video = view.kind === 'video' ? document.createElement('video') : null;
    this.#consumers.set(view.id, { consumer, video });
    if (video === null) return;
    video.muted = true;
    video.autoplay = true;
    video.srcObject = new MediaStream([consumer.track]);
    document.body.append(video);
    video.requestVideoFrameCallback(onFrame);
  }

  async #produce(source: Source): Promise<void> {
    this.#send ??= this.#createSend();
    const send = await this.#send;
    const audio = source === 'microphone';
    const stream = await navigator.mediaDevices.getUserMedia(
      audio ? { audio: true } : { video: { width: 1280, height: 720, frameRate: 30 } },
    );
    const [track] = stream.getTracks();
    const codecs = this.#device?.sendRtpCapabilities.codecs ?? [];
    const h264 = codecs.find(({ mimeType }) => mimeType === 'video/H264');
    const producer = await send.produce({
      ...(track && { track }),
      appData: { source },
      ...(audio
        ? { codecOptions: { opusDtx: true, opusFec: true } }
        : {
            ...(h264 && { codec: h264 }),
            // Chromium starts at 300 kbps and takes its time to find out that there is more.
            codecOptions: { videoGoogleStartBitrate: 2_500 },
            encodings: [
              { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
              { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
              { rid: 'f', maxBitrate: 1_500_000 },
            ],
          }),
    });
    this.#producers.push(producer);
  }

  async #createSend(): Promise<types.Transport> {
    const view = await this.ask<TransportView>('transport:create', { direction: 'send' });
    const transport = this.#device?.createSendTransport(this.#reachable(view));
    if (transport === undefined) throw new Error('no device');
    this.#connects(transport);
    transport.on('produce', ({ kind, rtpParameters, appData }, resolve, reject) => {
      this.ask<{ producerId: string }>('producer:create', {
        transportId: transport.id,
        kind,
        source: appData.source,
        rtpParameters,
      }).then(({ producerId }) => resolve({ id: producerId }), reject);
    });
    return transport;
  }

  #reachable(view: TransportView): never {
    const iceCandidates = view.iceCandidates.filter(({ protocol }) =>
      this.protocols.includes(String(protocol)),
    );
    return { ...view, iceCandidates } as never;
  }

  #connects(transport: types.Transport): void {
    transport.on('connect', ({ dtlsParameters }, resolve, reject) => {
      this.ask('transport:connect', { transportId: transport.id, dtlsParameters }).then(
        () => resolve(),
        reject,
      );
    });
  }
}

declare global {
  interface Window {
    classroom: Classroom;
    Classroom: typeof Classroom;
  }
}
window.Classroom = Classroom;
window.classroom = new Classroom();
