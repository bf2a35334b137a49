// As many requests as a server takes, from a process of its own: connections that are kept, each with one
// request at a time, in turn for every address given. Prints how many answers came, and how many were no 200.
//   node requests.ts <seconds> <connections> <address> …
import { connect } from 'node:net';

const [seconds = '5', connections = '32', ...addresses] = process.argv.slice(2);
const urls = addresses.map((address) => new URL(address));
const requests = urls.map(({ host, pathname, search }) =>
  Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n\r\n`),
);
const [first] = urls;
if (first === undefined) throw new Error('no address');
let answers = 0;
let bytes = 0;
let wrong = 0;

function open(offset: number): void {
  let next = offset;
  let head = '';
  let left = 0;
  const socket = connect(Number(first?.port), first?.hostname ?? '');
  socket.setNoDelay(true);
  const ask = () => {
    head = '';
    left = 0;
    const request = requests[next % requests.length];
    next += 1;
    if (request !== undefined) socket.write(request);
  };
  socket.on('connect', ask);
  socket.on('data', (data: Buffer) => {
    bytes += data.length;
    if (left > 0) {
      left -= data.length;
    } else {
      head += data.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!head.startsWith('HTTP/1.1 200')) wrong += 1;
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      left = length - (head.length - end - 4);
    }
    if (left > 0) return;
    answers += 1;
    ask();
  });
  socket.on('error', () => (wrong += 1));
}

for (let index = 0; index < Number(connections); index += 1) open(index);
setTimeout(
  () => {
    process.stdout.write(`${JSON.stringify({ answers, bytes, wrong })}\n`);
    process.exit(0);
  },
  Number(seconds) * 1_000,
);
