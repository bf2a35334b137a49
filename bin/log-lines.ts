// One readable log out of the services' JSON lines, or the lines as they are for machines.
import { z } from 'zod';
import { redact } from '#server/redact.ts';

/** Where lines go; process.stdout is one. */
export interface Sink {
  write(text: string): unknown;
}

export interface LogLines {
  /** Takes one line that `service` wrote, or that a pino logger made. */
  write(line: string, service?: string): void;
}

const Line = z.looseObject({
  level: z.string(),
  service: z.string().optional(),
  atMs: z.number().optional(),
  msg: z.string().optional(),
});

const ESC = '\u001b[';
const COLOURS: Readonly<Record<string, string>> = { warn: '33', error: '31', fatal: '31', debug: '2' };
/** Wide enough for the longest service name, so that messages stand in one column. */
const SERVICE_COLUMNS = 7;

/**
 * Makes the log. `json` passes lines on untouched (a line that is not JSON is wrapped, so that every
 * line can be parsed); `pretty` prints `12:04:05 sfu      room opened lesson=…`.
 */
export function createLogLines(format: 'json' | 'pretty', out: Sink, colour = false): LogLines {
  return {
    write(text, service = 'lectern') {
      // What no logger wrote, such as the last words of a process, has not been redacted yet.
      const line = redact(text.trimEnd());
      if (line === '') return;
      const parsed = parse(line);
      if (format === 'pretty') {
        out.write(`${parsed === undefined ? plain(line, service) : pretty(parsed, service, colour)}\n`);
      } else if (parsed === undefined) {
        out.write(`${JSON.stringify({ level: 'warn', service, atMs: Date.now(), msg: line })}\n`);
      } else {
        out.write(`${line}\n`);
      }
    },
  };
}

function parse(line: string): z.infer<typeof Line> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return Line.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

const clock = (atMs: number) => new Date(atMs).toTimeString().slice(0, 8);

function plain(line: string, service: string): string {
  return `${clock(Date.now())} ${service.padEnd(SERVICE_COLUMNS)}  ${line}`;
}

function pretty(line: z.infer<typeof Line>, from: string, colour: boolean): string {
  const { level, service = from, atMs = Date.now(), msg = '', err, ...rest } = line;
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${shown(value)}`);
  const word = level === 'info' ? [] : [level];
  const text = [
    `${clock(atMs)} ${service.padEnd(SERVICE_COLUMNS)} `,
    ...word,
    msg,
    ...fields,
    ...error(err, level),
  ].join(' ');
  const code = COLOURS[level];
  return colour && code !== undefined ? `${ESC}${code}m${text}${ESC}0m` : text;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}

const Err = z.looseObject({ message: z.string().optional(), stack: z.string().optional() });

/** Where something is broken the stack helps; a warning needs its reason only. */
function error(err: unknown, level: string): string[] {
  if (err === undefined) return [];
  const { data } = Err.safeParse(err);
  if (data === undefined) return [shown(err)];
  const broken = level === 'error' || level === 'fatal';
  return [broken ? `\n${data.stack ?? data.message ?? ''}` : (data.message ?? '')];
}
