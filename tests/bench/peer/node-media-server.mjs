// Stock node-media-server, as its own documentation starts it: the peer of a benchmark.
import NodeMediaServer from 'node-media-server';

const [rtmpPort, httpPort] = process.argv.slice(2).map(Number);
const server = new NodeMediaServer({
  bind: '127.0.0.1',
  rtmp: { port: rtmpPort },
  http: { port: httpPort },
  record: { auto: false },
  store: { path: './peer-data' },
});
await server.run();
