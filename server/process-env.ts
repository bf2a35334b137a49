// What a process of ours lets others see of its environment. Secrets come in as LECTERN_* variables: each
// goes to the service that uses it alone, and to no program that a service starts.
import { readSettings, type Settings } from './settings.ts';

/** What any program needs to run as the operator meant it to; all else is nobody's business. */
const PLAIN =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|LD_LIBRARY_PATH|SYSTEMROOT|XDG_CACHE_HOME|NODE_(OPTIONS|EXTRA_CA_CERTS|V8_COVERAGE)|SSL_CERT_(FILE|DIR)|UV_THREADPOOL_SIZE|NO_COLOR|FORCE_COLOR|MEDIASOUP_\w+)$/i;

/** The secret settings, and the one service that uses each. */
const SECRETS: Readonly<Record<string, string>> = {
  LECTERN_API_KEY: 'school',
  LECTERN_CDN_KEY: 'gateway',
  LECTERN_ICE_SERVERS: 'sfu',
};

/** The environment for a program that is none of ours. */
export function plainEnv(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => PLAIN.test(name)));
}

/** That of our own `service`: `env` without what it has no use for. */
export function serviceEnv(service: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours = Object.entries(env).filter(
    ([name]) => name.startsWith('LECTERN_') && (SECRETS[name] ?? service) === service,
  );
  return { ...plainEnv(env), ...Object.fromEntries(ours) };
}

/**
 * Reads the settings of this process and takes them out of its environment, which all that it starts would
 * inherit. Throws as `readSettings`.
 */
export function takeSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const settings = readSettings(env);
  for (const name of Object.keys(env)) {
    if (name.startsWith('LECTERN_')) Reflect.deleteProperty(env, name);
  }
  return settings;
}
