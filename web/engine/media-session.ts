// The WebRTC side of one membership: the device, the two transports, and what keeps them alive.
import { Device } from 'mediasoup-client';
import type {
  DtlsParameters,
  IceCandidate,
  IceParameters,
  RtpCapabilities,
  RtpParameters,
  Transport,
} from 'mediasoup-client/types';
import { LecternError } from '#shared/contract/errors.ts';
import type { Media, TransportView } from '#shared/contract/features/media.ts';
import { TabSource } from '#shared/domain/sources.ts';
import { Emitter } from './emitter.ts';
import type { Signalling } from './signalling.ts';

/** A transport that says `disconnected` often recovers by itself; after this many ms it gets help. */
const ICE_PATIENCE_MS = 1_500;

export interface MediaSessionEvents {
  /** A transport is connected, or is not any more. */
  connection: [];
  /** A transport is beyond repair: the room must be joined again. */
  failed: [];
}

export type MediaConnection = 'new' | 'connecting' | 'connected' | 'disconnected';

/** Owns the transports; `reset()` closes them with all that flows on them, `close()` is final. */
export class MediaSession extends Emitter<MediaSessionEvents> {
  readonly #signalling: Pick<Signalling, 'request'>;
  #device: Device | undefined;
  /** The router's capabilities that the device was loaded with, as text. */
  #loadedFor = '';
  #loading: Promise<void> | undefined;
  #recv: Transport | undefined;
  #send: Promise<Transport> | undefined;
  #sendNow: Transport | undefined;
  readonly #patience = new Map<Transport, ReturnType<typeof setTimeout>>();

  constructor(signalling: Pick<Signalling, 'request'>) {
    super();
    this.#signalling = signalling;
  }

  /**
   * Prepares the device for a router; the same router again is free. Rejects with `unsupported-codec`
   * in a browser without WebRTC.
   */
  async load(routerRtpCapabilities: Media): Promise<void> {
    const key = JSON.stringify(routerRtpCapabilities);
    if (this.#loading !== undefined && this.#loadedFor === key) return this.#loading;
    this.#loadedFor = key;
    this.#loading = (async () => {
      try {
        const device = await Device.factory({
          // A capture clock on the packets themselves, so that the broadcast need not wait for a
          // sender report. Chromium offers it only when asked; others ignore the wish.
          forcedRtpExtensions: { 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time': true },
        });
        await device.load({ routerRtpCapabilities: routerRtpCapabilities });
        if (this.#loadedFor === key) this.#device = device;
      } catch (error) {
        this.#loading = undefined;
        throw new LecternError('unsupported-codec', error instanceof Error ? error.message : undefined);
      }
    })();
    return this.#loading;
  }

  /** What this browser can receive; `room:join` sends it. */
  get recvCapabilities(): Media {
    return this.#loaded().recvRtpCapabilities;
  }

  /** What this browser can send. */
  get sendCapabilities(): RtpCapabilities {
    return this.#loaded().sendRtpCapabilities;
  }

  get recvTransportId(): string | undefined {
    return this.#recv?.id;
  }

  /** The worse of the two transports' states. */
  get connection(): MediaConnection {
    const states = [this.#recv, this.#sendNow].flatMap((transport) => transport?.connectionState ?? []);
    if (states.some((state) => state === 'disconnected' || state === 'failed')) return 'disconnected';
    if (states.includes('connecting')) return 'connecting';
    return states.includes('connected') ? 'connected' : 'new';
  }

  /** Opens the receiving transport that `room:join` gave. */
  openRecv(view: TransportView): Transport {
    this.#recv?.close();
    this.#recv = this.#watch(this.#loaded().createRecvTransport(transportOptions(view)));
    return this.#recv;
  }

  get recv(): Transport {
    if (this.#recv === undefined) throw new LecternError('not-joined');
    return this.#recv;
  }

  /** The sending transport, made on first use. Rejects with the server's refusal. */
  send(): Promise<Transport> {
    this.#send ??= this.#openSend().catch((error: unknown) => {
      this.#send = undefined;
      throw error;
    });
    return this.#send;
  }

  /** The sending transport if it is open already, for statistics. */
  get sending(): Transport | undefined {
    return this.#sendNow;
  }

  /** Finds new ways through the network for all transports; after a change of network or a resume. */
  async restartIce(): Promise<void> {
    const started = [this.#recv, this.#sendNow]
      .filter((transport) => transport !== undefined)
      .filter((transport) => transport.connectionState !== 'new');
    await Promise.all(started.map((transport) => this.#restart(transport)));
  }

  /** Closes both transports; the device stays loaded for the next join. */
  reset(): void {
    for (const timer of this.#patience.values()) clearTimeout(timer);
    this.#patience.clear();
    this.#recv?.close();
    this.#sendNow?.close();
    this.#recv = undefined;
    this.#sendNow = undefined;
    this.#send = undefined;
  }

  close(): void {
    this.reset();
  }

  #loaded(): Device {
    if (this.#device === undefined) throw new LecternError('not-joined');
    return this.#device;
  }

  async #openSend(): Promise<Transport> {
    const recv = this.#recv;
    const view = await this.#signalling.request('transport:create', { direction: 'send' });
    // A reset in between made this transport the server's to forget.
    if (recv !== this.#recv) throw new LecternError('conflict');
    const transport = this.#watch(this.#loaded().createSendTransport(transportOptions(view)));
    transport.on('produce', ({ kind, rtpParameters, appData }, done, fail) => {
      const source = TabSource.parse(appData.source);
      this.#signalling
        .request('producer:create', {
          transportId: transport.id,
          kind,
          source,
          rtpParameters: rtpParameters,
          paused: appData.paused === true,
        })
        .then(({ producerId }) => done({ id: producerId }), fail);
    });
    this.#sendNow = transport;
    return transport;
  }

  #watch(transport: Transport): Transport {
    transport.on('connect', ({ dtlsParameters }, done, fail) => {
      this.#signalling
        .request('transport:connect', {
          transportId: transport.id,
          dtlsParameters: dtlsParameters,
        })
        .then(() => done(), fail);
    });
    transport.on('connectionstatechange', (state) => {
      clearTimeout(this.#patience.get(transport));
      this.#patience.delete(transport);
      if (state === 'disconnected') {
        this.#patience.set(
          transport,
          setTimeout(() => void this.#restart(transport), ICE_PATIENCE_MS),
        );
      }
      this.emit('connection');
      if (state === 'failed') this.emit('failed');
    });
    return transport;
  }

  async #restart(transport: Transport): Promise<void> {
    try {
      const { iceParameters } = await this.#signalling.request('transport:restart', {
        transportId: transport.id,
      });
      if (!transport.closed) {
        await transport.restartIce({ iceParameters: iceParameters as unknown as IceParameters });
      }
    } catch (error) {
      // Without a socket there is nothing to do: its resume restarts ICE again. A server that no
      // longer knows the transport means that it is gone for good.
      const lost = error instanceof LecternError && error.code !== 'service-unavailable';
      if (lost && !transport.closed) this.emit('failed');
    }
  }
}

function transportOptions(view: TransportView) {
  return {
    id: view.id,
    iceParameters: view.iceParameters as unknown as IceParameters,
    iceCandidates: view.iceCandidates as unknown as IceCandidate[],
    dtlsParameters: view.dtlsParameters as unknown as DtlsParameters,
  };
}

/** mediasoup's parameters out of the contract's bounded JSON; mediasoup-client validates them itself. */
export function rtpParameters(media: Media): RtpParameters {
  return media as unknown as RtpParameters;
}
