// OBS Studio as a test's publisher. It runs on a screen that nobody sees, with a folder of settings of its own;
// its fields are filled and its buttons pressed through the remote control that is built into it
// (obs-websocket, protocol 5), which does what the window does.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { eventually } from './lectern.ts';
import { installed, Program } from './programs.ts';

/** Why it cannot run here, in a sentence; undefined if it can. */
export const obsMissing: string | undefined =
  installed('obs') && installed('Xvfb')
    ? undefined
    : 'OBS Studio or Xvfb is not installed (apt-get install obs-studio xvfb libgl1-mesa-dri)';

/** As it says itself: `OBS Studio - 29.0.2…`. */
export const obsVersion = (): string => spawnSync('obs', ['--version'], { encoding: 'utf8' }).stdout.trim();

/** It draws with the processor, and a busy machine takes its time. */
const START_LIMIT_MS = 60_000;
const WIDTH = 640;
const HEIGHT = 360;

/**
 * *Settings → Output*. `advised`: what docs/publishing.md tells people to choose, at a bitrate that fits the
 * small picture. `untouched`: what OBS chooses by itself.
 */
export type ObsOutput = 'advised' | 'untouched';

export interface ObsStatus {
  readonly active: boolean;
  readonly reconnecting: boolean;
}

interface Message {
  readonly op: number;
  readonly d: {
    readonly requestId?: string;
    readonly requestStatus?: { readonly result: boolean; readonly code: number; readonly comment?: string };
    readonly responseData?: Record<string, unknown>;
    readonly authentication?: { readonly challenge: string; readonly salt: string };
  };
}

export class Obs {
  readonly #dir = mkdtempSync(join(tmpdir(), 'lectern-obs-'));
  readonly #password = randomBytes(16).toString('hex');
  readonly #film: string;
  readonly #display: Program;
  #port = 0;
  #program: Program | undefined;
  #socket: WebSocket | undefined;
  readonly #waiting = new Map<string, (answer: Message['d']) => void>();

  private constructor(film: string) {
    this.#film = film;
    // It chooses a free number itself and says which.
    this.#display = new Program('Xvfb', '-displayfd 1 -screen 0 1024x768x24 -nolisten tcp'.split(' '));
  }

  /** Opens it with one scene in which `film` (16:9, 320 pixels wide) plays over and over. */
  static async open(film: string, output: ObsOutput): Promise<Obs> {
    const obs = new Obs(film);
    try {
      obs.#port = await freePort();
      obs.#writeSettings(output);
      await eventually('Xvfb is there', () => /^\d+\n/.test(obs.#display.output));
      await obs.start();
    } catch (error) {
      await obs.close();
      throw new Error(`${String(error)}\n${obs.log}`, { cause: error });
    }
    return obs;
  }

  /** What it wrote into its log since it was started last. */
  get log(): string {
    return this.#program?.output ?? '';
  }

  /** Starts the program, again after {@link kill}; with `streaming` it presses that button itself. */
  async start(then?: 'streaming'): Promise<void> {
    const options = ['--multi', '--profile', 'Lectern', '--collection', 'Lectern'];
    this.#program = new Program('obs', then === undefined ? options : [...options, '--startstreaming'], {
      HOME: this.#dir,
      XDG_CONFIG_HOME: this.#dir,
      XDG_RUNTIME_DIR: this.#dir,
      DISPLAY: `:${this.#display.output.trim()}`,
      QT_QPA_PLATFORM: 'xcb',
      LIBGL_ALWAYS_SOFTWARE: '1',
      // It asks its makers for news over HTTPS; a test speaks to this machine alone.
      https_proxy: 'http://127.0.0.1:9',
      http_proxy: 'http://127.0.0.1:9',
    });
    this.#socket = await eventually('OBS answers', () => this.#connect(), START_LIMIT_MS, 250);
  }

  /** *Settings → Stream*, *Service: Custom…*. */
  async paste(server: string, key: string): Promise<void> {
    await this.#ask('SetStreamServiceSettings', {
      streamServiceType: 'rtmp_custom',
      streamServiceSettings: { server, key, use_auth: false },
    });
  }

  /** One of its buttons. */
  async press(button: 'StartStream' | 'StopStream'): Promise<void> {
    await this.#ask(button);
  }

  async status(): Promise<ObsStatus> {
    const { outputActive, outputReconnecting } = await this.#ask('GetStreamStatus');
    return { active: outputActive === true, reconnecting: outputReconnecting === true };
  }

  /** As a crash ends it. */
  async kill(): Promise<void> {
    this.#socket?.close();
    await this.#program?.stop('SIGKILL');
  }

  async close(): Promise<void> {
    await this.kill();
    await this.#display.stop('SIGTERM');
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #ask(requestType: string, requestData: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const requestId = randomBytes(6).toString('hex');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(requestId);
        reject(new Error(`OBS does not answer ${requestType}`));
      }, START_LIMIT_MS);
      this.#waiting.set(requestId, ({ requestStatus, responseData }) => {
        clearTimeout(timer);
        this.#waiting.delete(requestId);
        if (requestStatus?.result === true) resolve(responseData ?? {});
        else reject(new Error(`OBS refuses ${requestType}: ${JSON.stringify(requestStatus)}`));
      });
      this.#socket?.send(JSON.stringify({ op: 6, d: { requestType, requestId, requestData } }));
    });
  }

  /** Resolves when it knows who speaks; undefined if it does not listen yet. */
  #connect(): Promise<WebSocket | undefined> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}`);
    return new Promise((resolve) => {
      socket.onerror = () => resolve(undefined);
      socket.onmessage = ({ data }) => {
        const { op, d } = JSON.parse(String(data)) as Message;
        if (op === 0) socket.send(JSON.stringify({ op: 1, d: { rpcVersion: 1, ...this.#prove(d) } }));
        else if (op === 2) resolve(socket);
        else if (op === 7) this.#waiting.get(d.requestId ?? '')?.(d);
      };
    });
  }

  #prove({ authentication }: Message['d']): { authentication?: string } {
    if (authentication === undefined) return {};
    const sha = (text: string) => createHash('sha256').update(text).digest('base64');
    return {
      authentication: sha(sha(this.#password + authentication.salt) + authentication.challenge),
    };
  }

  #writeSettings(output: ObsOutput): void {
    const settings = join(this.#dir, 'obs-studio');
    const profile = join(settings, 'basic/profiles/Lectern');
    const write = (folder: string, file: string, text: string) => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, file), text);
    };
    write(
      settings,
      'global.ini',
      ini({
        // No assistant for beginners, no release notes.
        General: { FirstRun: true, InfoIncrement: 999, EnableAutoUpdates: false },
        BasicWindow: { PreviewEnabled: false },
        OBSWebSocket: {
          FirstLoad: false,
          ServerEnabled: true,
          ServerPort: this.#port,
          AlertsEnabled: false,
          AuthRequired: true,
          ServerPassword: this.#password,
        },
      }),
    );
    const size = { BaseCX: WIDTH, BaseCY: HEIGHT, OutputCX: WIDTH, OutputCY: HEIGHT };
    write(
      profile,
      'basic.ini',
      ini({
        General: { Name: 'Lectern' },
        Video: { ...size, FPSType: 0, FPSCommon: 30 },
        ...(output === 'untouched'
          ? {}
          : {
              Output: { Mode: 'Advanced' },
              AdvOut: { Encoder: 'obs_x264' },
            }),
      }),
    );
    const x264 = { rate_control: 'CBR', bitrate: 800, keyint_sec: 2, profile: 'high', x264opts: 'bframes=0' };
    if (output === 'advised') write(profile, 'streamEncoder.json', JSON.stringify(x264));
    const film = { id: 1, name: 'Film', visible: true, scale: { x: WIDTH / 320, y: WIDTH / 320 } };
    write(
      join(settings, 'basic/scenes'),
      'Lectern.json',
      JSON.stringify({
        name: 'Lectern',
        current_scene: 'Class',
        current_program_scene: 'Class',
        scene_order: [{ name: 'Class' }],
        sources: [
          {
            id: 'ffmpeg_source',
            name: 'Film',
            mixers: 255,
            settings: { local_file: this.#film, is_local_file: true, looping: true },
          },
          { id: 'scene', name: 'Class', settings: { items: [film], id_counter: 1 } },
        ],
      }),
    );
  }
}

const ini = (sections: Record<string, Record<string, string | number | boolean>>): string =>
  Object.entries(sections)
    .map(([name, values]) => {
      const lines = Object.entries(values).map(([key, value]) => `${key}=${value}`);
      return `[${name}]\n${lines.join('\n')}\n`;
    })
    .join('\n');
