// A service that will not end, and that started a process which will not either.
import { spawn } from 'node:child_process';

process.on('SIGTERM', () => undefined);
const child = spawn('sleep', ['600'], { stdio: 'ignore' });
console.log(JSON.stringify({ level: 'info', service: 'stubborn', msg: 'started', child: child.pid }));
setInterval(() => undefined, 1_000);
