// The browser's side of the conversation, against a real socket.io server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, type Socket } from 'socket.io';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { NetworkPort } from '../../../web/engine/ports.ts';
import { retryDelayMs, Signalling, type SignalState } from '../../../web/engine/signalling.ts';

class Network implements NetworkPort {
  readonly changed = new Set<() => void>();
  readonly visible = new Set<() => void>();

  onChange(listener: () => void) {
    this.changed.add(listener);
    return () => void this.changed.delete(listener);
  }

  onVisible(listener: () => void) {
    this.visible.add(listener);
    return () => void this.visible.delete(listener);
  }
}

const WELCOME = {
  room: {
    id: 'lesson123',
    title: 'Geometry',
    state: 'open',
    broadcast: {
      id: null,
      state: 'idle',
      startedAtMs: null,
      notice: null,
      audience: 0,
      recording: false,
      diskTrouble: null,
    },
  },
  routerRtpCapabilities: { codecs: [] },
  present: 2,
  serverTimeMs: 1,
};

describe('signalling', () => {
  let http: HttpServer;
  let io: Server;
  let url = '';
  let refuse: ErrorCode | undefined;
  let network: Network;
  let signalling: Signalling;
  let handshakes: { ticket?: string; session?: string }[];

  beforeEach(async () => {
    http = createServer();
    io = new Server(http);
    refuse = undefined;
    handshakes = [];
    io.use((socket, next) => {
      handshakes.push(socket.handshake.auth);
      if (refuse === undefined) next();
      else next(Object.assign(new Error('no'), { data: new LecternError(refuse).toBody() }));
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    network = new Network();
    signalling = new Signalling({ url, ticket: 'first', network });
  });

  afterEach(async () => {
    signalling.close();
    await io.close();
  });

  const reached = (wanted: (state: SignalState) => boolean) =>
    new Promise<SignalState>((resolve) => {
      const off = signalling.on('state', (state) => {
        if (!wanted(state)) return;
        off();
        resolve(state);
      });
    });
  const reaches = (name: SignalState['name']) => reached((state) => state.name === name);
  const arrival = () => new Promise<Socket>((resolve) => io.once('connection', resolve));

  async function connected(): Promise<Socket> {
    const both = Promise.all([arrival(), reaches('connected')]);
    signalling.open();
    const [socket] = await both;
    return socket;
  }

  it('asks, and hands back what the acknowledgement carries', async () => {
    const socket = await connected();
    socket.on('chat:send', ({ id, text }, answer) => {
      const message = { id, text, peerId: 'peer_0001', name: 'Ada', role: 'student', sentAtMs: 5 };
      answer({ ok: true, data: { message } });
    });
    const { message } = await signalling.request('chat:send', { id: 'one', text: 'Hello' });
    assert.equal(message.text, 'Hello');
  });

  it('passes a refusal on with its code', async () => {
    const socket = await connected();
    socket.on('broadcast:start', (_input, answer) =>
      answer({ ok: false, error: { code: 'forbidden', message: 'No.' } }),
    );
    await assert.rejects(signalling.request('broadcast:start', {}), { code: 'forbidden', message: 'No.' });
  });

  it('takes an answer outside the contract for a fault, not for data', async () => {
    const socket = await connected();
    socket.on('producer:create', (_input, answer) => answer({ ok: true, data: { producerId: 7 } }));
    await assert.rejects(
      signalling.request('producer:create', {
        transportId: 't',
        kind: 'audio',
        source: 'microphone',
        rtpParameters: {},
      }),
      { code: 'internal-error' },
    );
  });

  it('refuses at once while there is no connection', async () => {
    await assert.rejects(signalling.request('room:leave', {}), { code: 'service-unavailable' });
  });

  it('does not leave a request hanging when the connection breaks under it', async () => {
    const socket = await connected();
    socket.on('room:leave', () => socket.conn.close());
    await assert.rejects(signalling.request('room:leave', {}), { code: 'service-unavailable' });
  });

  it('tells facts that fit the contract and drops others', async () => {
    const socket = await connected();
    const dropped: string[] = [];
    signalling.on('malformed', (name) => dropped.push(name));
    const welcomed = new Promise<number>((resolve) => {
      signalling.on('room:welcomed', ({ present }) => resolve(present));
    });
    socket.emit('room:welcomed', { room: 'what?' });
    socket.emit('room:welcomed', WELCOME);
    assert.equal(await welcomed, 2);
    assert.deepEqual(dropped, ['room:welcomed']);
  });

  it('comes back by itself and says which session it had', async () => {
    const socket = await connected();
    signalling.session = 'the-session';
    const back = arrival();
    const lost = reaches('reconnecting');
    socket.conn.close();
    await lost;
    await back;
    assert.deepEqual(handshakes, [{ ticket: 'first' }, { ticket: 'first', session: 'the-session' }]);
  });

  it('keeps trying while the service restarts, and stops at a refusal that stays', async () => {
    refuse = 'service-unavailable';
    const states: string[] = [];
    signalling.on('state', (state) => states.push(state.name));
    signalling.open();
    await sleep(300);
    assert.ok(states.every((name) => name === 'connecting'));
    refuse = 'ticket-invalid';
    assert.deepEqual(await reaches('refused'), { name: 'refused', code: 'ticket-invalid' });
    const tries = handshakes.length;
    await sleep(700);
    assert.equal(handshakes.length, tries);
  });

  it('goes on with a renewed ticket after the old one expired', async () => {
    refuse = 'ticket-expired';
    signalling.open();
    await reaches('refused');
    refuse = undefined;
    const back = reaches('connected');
    signalling.renew('second');
    await back;
    assert.equal(handshakes.at(-1)?.ticket, 'second');
  });

  it('does not wait out its delay when the network is back', async () => {
    const socket = await connected();
    refuse = 'service-unavailable';
    const waiting = reached((state) => state.name === 'reconnecting' && state.attempt === 4);
    socket.conn.close();
    await waiting;
    refuse = undefined;
    const back = arrival();
    for (const listener of network.changed) listener();
    await Promise.all([back, reaches('connected')]);
  });

  it('replaces a connection that may be dead when the network changed', async () => {
    const old = await connected();
    const gone = once(old, 'disconnect');
    const back = arrival();
    for (const listener of network.changed) listener();
    await gone;
    const fresh = await back;
    assert.notEqual(fresh.id, old.id);
  });

  it('lets go of the network and stays away once closed', async () => {
    const socket = await connected();
    const gone = once(socket, 'disconnect');
    signalling.close();
    signalling.close();
    await gone;
    assert.equal(network.changed.size + network.visible.size, 0);
    signalling.reconnect();
    await sleep(100);
    assert.equal(handshakes.length, 1);
  });
});

describe('the delay before another try', () => {
  const longest = (attempt: number) => retryDelayMs(attempt, () => 1);

  it('is eager while a service may be restarting, then swift, and then patient', () => {
    assert.deepEqual([1, 2, 6, 7, 20, 21, 5_000].map(longest), [250, 400, 400, 1_000, 1_000, 5_000, 5_000]);
  });

  it('is spread by half, so that a class does not come back in one instant', () => {
    assert.equal(
      retryDelayMs(7, () => 0),
      500,
    );
  });
});
