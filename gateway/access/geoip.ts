// The operator's database of countries. It is read again when the file changes: such databases are replaced
// every week, by a program that knows nothing of us.
import { readFile, stat } from 'node:fs/promises';
import { isIP, isIPv6 } from 'node:net';
import { Reader, type CountryResponse } from 'mmdb-lib';
import type { Log } from '#server/log.ts';

/** How often the file is looked at, in ms. */
const LOOK_EVERY_MS = 60_000;

export interface Countries {
  /** False without a database: then nothing can be said. */
  readonly isReady: boolean;
  /**
   * The country's two letters (ISO 3166-1); null if the database does not know, undefined if there is none
   * or it is damaged where the answer should be.
   */
  of(ip: string): string | null | undefined;
}

export class CountryFile implements Countries {
  readonly #path: string | undefined;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout | undefined;
  #db: Reader<CountryResponse> | undefined;
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

  of(ip: string): string | null | undefined {
    try {
      return this.#db && find(this.#db, ip);
    } catch (error) {
      this.#complain(error);
      return undefined;
    }
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
      this.#db = open(await readFile(path));
      this.#log.info({ type: this.#db.metadata.databaseType }, 'countries read');
    } catch (error) {
      // One that was good stays in use, for as long as no better one comes.
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    if (why === this.#complaint) return;
    this.#complaint = why;
    this.#log.error({ why }, 'LECTERN_GEOIP cannot be read');
  }
}

/** Throws an Error if `bytes` is no such database. What is in it, the library checks no more than it has to. */
function open(bytes: Buffer): Reader<CountryResponse> {
  const db = new Reader<CountryResponse>(bytes);
  const { binaryFormatMajorVersion, ipVersion, searchTreeSize } = db.metadata;
  if (binaryFormatMajorVersion !== 2 || ![4, 6].includes(ipVersion) || searchTreeSize > bytes.length) {
    throw new Error('it is no MaxMind DB file of version 2');
  }
  return db;
}

/** Throws an Error where the database is damaged. */
function find(db: Reader<CountryResponse>, ip: string): string | null {
  // The library takes anything for an address, and one of v6 for one of v4 where there are no others.
  if (isIP(ip) === 0 || (isIPv6(ip) && db.metadata.ipVersion === 4)) return null;
  const record = db.get(ip);
  // Where a network is used goes before where it is registered.
  for (const part of [record?.country, record?.registered_country]) {
    const code: unknown = part?.iso_code;
    if (typeof code === 'string' && /^[A-Z]{2}$/.test(code)) return code;
  }
  return null;
}
