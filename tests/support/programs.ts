// Other people's programs as a test's other end.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** True if `program` is installed. */
export const installed = (program: string): boolean =>
  spawnSync('which', [program], { stdio: 'ignore' }).status === 0;

/** A program that runs; what it wrote is kept, for the message of a test that fails. */
export class Program {
  readonly child: ChildProcess;
  output = '';

  /** `env` is added to this process's own. */
  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    this.child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const keep = (chunk: Buffer) => void (this.output = (this.output + chunk.toString()).slice(-20_000));
    this.child.stdout?.on('data', keep);
    this.child.stderr?.on('data', keep);
    this.child.on('error', (error) => keep(Buffer.from(String(error))));
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Ends it as `signal` does, and waits until it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (!this.running) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    const limit = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(limit);
  }
}
