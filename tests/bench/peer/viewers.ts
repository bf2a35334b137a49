// Many viewers in one process of their own, so that what they cost is not what is measured. They read in
// turns, each a few times a second, as a phone's radio does; stalled ones read nothing after the start.
// Arguments: flv|rtmp, port, address, how many, 'healthy'|'stalled'. Each line of output is the state now.
import { connect, type Socket } from 'node:net';
import { encodeAmf0, type AmfValue } from '#shared/media/amf0.ts';

const [protocol = 'flv', port = '0', address = '/', count = '1', health = 'healthy'] = process.argv.slice(2);
/** How often each viewer reads, in ms. */
const READ_EVERY_MS = 250;
const SLOTS = 25;
const REPORT_EVERY_MS = 500;
/** What a stalled viewer takes before it stops: it did begin to watch. */
const STALL_AFTER_BYTES = 64 * 1024;

let bytes = 0;
let open = 0;
let ended = 0;
const first: number[] = [];
// One for all: what was read is only counted.
const buffer = Buffer.allocUnsafe(512 * 1024);

/** A player's whole part of the conversation (Adobe's RTMP 1.0 §5.2, §7.2), sent at once. */
function rtmpHello(): Buffer {
  const [app = '', name = ''] = address.replace(/^\//, '').split('/');
  const message = (type: number, stream: number, ...values: AmfValue[]) => {
    const body = Buffer.from(encodeAmf0(...values));
    const head = Buffer.alloc(12);
    head[0] = 3;
    head.writeUIntBE(body.length, 4, 3);
    head[7] = type;
    head.writeUInt32LE(stream, 8);
    const chunks = [head];
    for (let at = 0; at < body.length; at += 128) {
      if (at > 0) chunks.push(Buffer.from([0xc3]));
      chunks.push(body.subarray(at, at + 128));
    }
    return Buffer.concat(chunks);
  };
  return Buffer.concat([
    Buffer.alloc(1536),
    message(20, 0, 'connect', 1, { app, tcUrl: `rtmp://127.0.0.1:${port}/${app}` }),
    message(20, 0, 'createStream', 2, null),
    message(20, 1, 'play', 3, null, name),
  ]);
}

function view(index: number): Socket {
  let taken = 0;
  const started = performance.now();
  const socket: Socket = connect({
    port: Number(port),
    host: '127.0.0.1',
    onread: {
      buffer,
      callback(length) {
        if (taken === 0) first.push(performance.now() - started);
        bytes += length;
        taken += length;
        // Until its turn comes again.
        return false;
      },
    },
  });
  socket.on('connect', () => {
    open += 1;
    if (protocol === 'flv') {
      socket.write(`GET ${address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    } else {
      socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(1536)]));
      setTimeout(() => socket.write(rtmpHello()), 50);
    }
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    ended += 1;
  });
  const slot = Math.floor(((index % SLOTS) * READ_EVERY_MS) / SLOTS);
  setTimeout(() => {
    setInterval(() => {
      if (health === 'healthy' || taken < STALL_AFTER_BYTES) socket.resume();
    }, READ_EVERY_MS);
  }, slot);
  return socket;
}

for (let index = 0; index < Number(count); index += 1) {
  view(index);
  if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 50));
}
setInterval(() => {
  const sorted = [...first].sort((a, b) => a - b);
  const p99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  console.log(JSON.stringify({ bytes, open, ended, playing: first.length, p99Ms }));
}, REPORT_EVERY_MS);
process.on('disconnect', () => process.exit());
