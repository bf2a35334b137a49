// One line per lifecycle transition at `info`. Under the supervisor every service writes JSON lines
// to stdout, and the supervisor prints them for people; secrets are redacted wherever they appear.
import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import { redact } from './redact.ts';
import type { Settings } from './settings.ts';

export type Log = Logger;

/** Makes the log of one service; its lines go to stdout, or to `out`. */
export function createLog(level: Settings['log']['level'], service: string, out?: DestinationStream): Log {
  const options: LoggerOptions = {
    level,
    base: { service },
    timestamp: () => `,"atMs":${Date.now()}`,
    formatters: { level: (label) => ({ level: label }) },
    // The whole line, so that no field, error or program's output can be forgotten.
    hooks: { streamWrite: redact },
  };
  return out === undefined ? pino(options) : pino(options, out);
}
