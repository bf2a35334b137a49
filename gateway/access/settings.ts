// What the school said of each channel: who may watch, which signatures and stream keys were replaced.
// Kept on disk, so that a restart of the gateway forgets nothing while the school is away.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { AS_THE_SCHOOL, DEFAULT_ACCESS, inForce } from '#shared/contract/access.ts';
import { ChannelId } from '#shared/contract/ids.ts';
import { AccessDefaults, ChannelSettings, type SettingsTaken } from '#shared/contract/internal.ts';
import { MAX_EPOCH, partsOfReplay, type PlaybackResource } from '#shared/contract/playback.ts';
import { NO_SPLIT, type Split } from '#shared/contract/split.ts';
import type { RecordingMode } from '#shared/domain/recording.ts';
import { Serial } from '#shared/serial.ts';
import { DRAFT, writeAtomically } from '#server/atomic-file.ts';
import type { Log } from '#server/log.ts';
import { isErrno } from '#server/secrets.ts';
import { UNKNOWN_CHANNEL, type ChannelAccess } from './decide.ts';

/** No channel has a `_` in its name. */
const SCHOOL_FILE = '_school.json';
const INSTANCE_FILE = '_instance';

export interface SettingsOptions {
  /** The folder of the files. */
  readonly dir: string;
  /** The channel that a recording was made of; undefined if there is no such recording. */
  readonly channelOf: (recording: string) => string | undefined;
  readonly log: Log;
}

/** `broken`: its file cannot be read, so nobody may watch until the school has said it again. */
type Entry = ChannelSettings | 'broken';

export class AccessSettings {
  readonly #options: SettingsOptions;
  readonly #channels = new Map<string, Entry>();
  /** What was made of them for the rules: the same object for as long as nothing changes. */
  readonly #made = new Map<string, ChannelAccess>();
  readonly #listeners = new Set<(channel: string | undefined) => void>();
  #school: AccessDefaults | 'broken' = { version: 0, access: DEFAULT_ACCESS };
  /** Writes of one file go one after the other. */
  readonly #writes = new Serial();
  #instance = '';

  private constructor(options: SettingsOptions) {
    this.#options = options;
  }

  /** Reads what is on disk. */
  static async open(options: SettingsOptions): Promise<AccessSettings> {
    const settings = new AccessSettings(options);
    await mkdir(options.dir, { recursive: true });
    await settings.#load();
    return settings;
  }

  /** Names this memory: another one than before has lost something, and the school says it all again. */
  get instance(): string {
    return this.#instance;
  }

  /** What is in force for the channel of a resource. Throws where it cannot be known. */
  of(resource: PlaybackResource): ChannelAccess {
    return this.ofChannel(this.channelOf(resource));
  }

  /** The channel of a resource; empty for a recording that is not there, and for some that are not of one channel. */
  channelOf(resource: PlaybackResource): string {
    const [, area, id = ''] = resource.split('/');
    if (area === 'live') return id;
    const channels = new Set(partsOfReplay(id)?.map((part) => this.#options.channelOf(part)));
    const [channel] = channels;
    return channels.size === 1 ? (channel ?? '') : '';
  }

  ofChannel(channel: string): ChannelAccess {
    const entry = this.#channels.get(channel);
    if (this.#school === 'broken' || entry === 'broken') throw new Error('its settings are damaged');
    let made = this.#made.get(channel);
    if (made === undefined) {
      made = this.#make(entry, this.#school);
      // Names that the school did not send can be made up by anyone who asks: they are not kept.
      if (entry !== undefined) this.#made.set(channel, made);
    }
    return made;
  }

  /** The title of the channel's lesson, where the school told of it. */
  titleOf(channel: string): string | undefined {
    const entry = this.#channels.get(channel);
    return entry === undefined || entry === 'broken' ? undefined : entry.title;
  }

  /** What the channel's lesson says of recording it. */
  recordingModeOf(channel: string): RecordingMode {
    const entry = this.#channels.get(channel);
    // Where that cannot be read, nobody is recorded unasked.
    if (entry === 'broken') return 'manual';
    return entry?.recording ?? 'automatic';
  }

  /** How the channel's lesson cuts the files of its recordings. */
  splitOf(channel: string): Split {
    const entry = this.#channels.get(channel);
    return (entry === 'broken' ? undefined : entry?.split) ?? NO_SPLIT;
  }

  /** Another number for each change that touches the channel. */
  versionOf(channel: string): number {
    try {
      return this.ofChannel(channel).version;
    } catch {
      return 0;
    }
  }

  /** Takes the school's word on a channel, from now on; resolves once it is on disk. */
  async put(channel: string, settings: ChannelSettings): Promise<SettingsTaken> {
    const known = this.#channels.get(channel);
    if (known !== undefined && known !== 'broken' && known.version > settings.version) {
      return { version: known.version, instance: this.#instance };
    }
    this.#channels.set(channel, settings);
    this.#notify(channel);
    await this.#write(`${channel}.json`, JSON.stringify(settings));
    return { version: settings.version, instance: this.#instance };
  }

  /** The same for lessons without rules of their own. */
  async putDefaults(defaults: AccessDefaults): Promise<SettingsTaken> {
    const known = this.#school;
    if (known !== 'broken' && known.version > defaults.version) {
      return { version: known.version, instance: this.#instance };
    }
    this.#school = defaults;
    this.#notify(undefined);
    await this.#write(SCHOOL_FILE, JSON.stringify(defaults));
    return { version: defaults.version, instance: this.#instance };
  }

  /**
   * The lesson was deleted: nothing opens its channel again, neither what was ever signed for it nor a rule
   * that let everyone watch. What stays is only that.
   */
  async tombstone(channel: string): Promise<void> {
    const known = this.#channels.get(channel);
    if (known === undefined || known === 'broken') return;
    const epoch = Math.min(known.epoch + 1, MAX_EPOCH);
    await this.put(channel, {
      ...known,
      version: known.version + 1,
      title: 'deleted',
      publishVersion: null,
      epoch,
      access: { ...AS_THE_SCHOOL, tokens: { required: true } },
    });
  }

  /** Calls `listener` with each channel whose settings changed; with undefined when all may have. */
  onChanged(listener: (channel: string | undefined) => void): void {
    this.#listeners.add(listener);
  }

  /** Resolves when all is on disk. */
  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#writes.idle();
  }

  #make(entry: ChannelSettings | undefined, school: AccessDefaults): ChannelAccess {
    if (entry === undefined) return { ...UNKNOWN_CHANNEL, version: school.version, access: school.access };
    return {
      version: entry.version + school.version,
      lesson: entry.lesson,
      access: inForce(entry.access, school.access),
      epoch: entry.epoch,
      endedViewers: entry.endedViewers ?? [],
      publishVersion: entry.publishVersion,
    };
  }

  #notify(channel: string | undefined): void {
    if (channel === undefined) this.#made.clear();
    else this.#made.delete(channel);
    for (const listener of this.#listeners) listener(channel);
  }

  #write(name: string, text: string): Promise<void> {
    return this.#writes.run(() => writeAtomically(join(this.#options.dir, name), text));
  }

  async #load(): Promise<void> {
    const { dir, log } = this.#options;
    const broken: string[] = [];
    for (const name of await readdir(dir)) {
      if (name.endsWith(DRAFT)) await rm(join(dir, name), { force: true });
      const channel = name.endsWith('.json') ? name.slice(0, -'.json'.length) : '';
      if (name === SCHOOL_FILE) {
        this.#school = await this.#read(name, AccessDefaults);
        if (this.#school === 'broken') broken.push(name);
      } else if (ChannelId.safeParse(channel).success) {
        const entry = await this.#read(name, ChannelSettings);
        this.#channels.set(channel, entry);
        if (entry === 'broken') broken.push(name);
      }
    }
    for (const name of broken) log.error({ file: join(dir, name) }, 'access settings are damaged');
    const path = join(dir, INSTANCE_FILE);
    const instance = await readFile(path, 'utf8').catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
      return '';
    });
    const isGood = broken.length === 0 && /^[A-Za-z0-9_-]{12}$/.test(instance);
    this.#instance = isGood ? instance : randomBytes(9).toString('base64url');
    if (!isGood) await this.#write(INSTANCE_FILE, this.#instance);
  }

  async #read<T extends z.ZodType>(name: string, schema: T): Promise<z.output<T> | 'broken'> {
    try {
      return schema.parse(JSON.parse(await readFile(join(this.#options.dir, name), 'utf8')));
    } catch {
      return 'broken';
    }
  }
}
