// The operator's database of countries. It is read anew when the file changes: such databases are replaced
// every week, by a program that knows nothing of us.
import { readFile, stat } from 'node:fs/promises';
import type { Log } from '#server/log.ts';
import { asMap, Mmdb } from './mmdb.ts';

/** How often the file is looked at, in ms. */
const LOOK_EVERY_MS = 60_000;

export interface Countries {
  /** False without a database: then nothing can be said. */
  readonly isReady: boolean;
  /** The country's two letters (ISO 3166-1); null if the database does not know. Throws if it is damaged. */
  of(ip: string): string | null;
}

export class CountryFile implements Countries {
  readonly #path: string | undefined;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout | undefined;
  #db: Mmdb | undefined;
  /** Of the file that was looked at last, good or not. */
  #seen = '';
  /** What was last said of it, so that it is said once. */
  #complaint = '';

  private constructor(path: string | undefined, log: Log, lookEveryMs: number) {
    this.#path = path;
    this.#log = log;
    if (path !== undefined) {
      this.#timer = setInterval(() => void this.#look(), lookEveryMs);
      this.#timer.unref();
    }
  }

  /**
   * Opens LECTERN_GEOIP. A file that cannot be used is logged and tried again; until then no rule by
   * region lets anyone in.
   */
  static async open(path: string | undefined, log: Log, lookEveryMs = LOOK_EVERY_MS): Promise<CountryFile> {
    const file = new CountryFile(path, log, lookEveryMs);
    await file.#look();
    return file;
  }

  get isReady(): boolean {
    return this.#db !== undefined;
  }

  of(ip: string): string | null {
    const record = asMap(this.#db?.get(ip));
    // Where a network is used goes before where it is registered.
    for (const part of [record.country, record.registered_country]) {
      const code = asMap(part).iso_code;
      if (typeof code === 'string' && /^[A-Z]{2}$/.test(code)) return code;
    }
    return null;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const path = this.#path;
    if (path === undefined) return;
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const seen = `${mtimeMs} ${size} ${ino}`;
      if (seen === this.#seen) return;
      this.#seen = seen;
      this.#db = new Mmdb(await readFile(path));
      this.#log.info({ type: this.#db.type }, 'countries read');
    } catch (error) {
      // One that was good stays in use, for as long as no better one comes.
      const why = error instanceof Error ? error.message : String(error);
      if (why === this.#complaint) return;
      this.#complaint = why;
      this.#log.error({ why }, 'LECTERN_GEOIP cannot be read');
    }
  }
}
