// What a process of ours lets others see of its environment. Secrets come in as LECTERN_* variables: each
// goes to the service that uses it alone, and to no program that a service starts.
import { readVariables, settingsOf, type Settings, type Variables } from './settings.ts';

/** What any program needs to run as the operator meant it to; all else is nobody's business. */
const PLAIN =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|LD_LIBRARY_PATH|SYSTEMROOT|XDG_CACHE_HOME|NODE_(OPTIONS|EXTRA_CA_CERTS|V8_COVERAGE)|SSL_CERT_(FILE|DIR)|UV_THREADPOOL_SIZE|NO_COLOR|FORCE_COLOR|MEDIASOUP_\w+)$/i;

/** The secret settings, and the one service that uses each. */
const SECRETS: Readonly<Record<string, string>> = {
  LECTERN_API_KEY: 'school',
  LECTERN_CDN_KEY: 'gateway',
  LECTERN_DATABASE_URL: 'school',
  LECTERN_ICE_SERVERS: 'sfu',
  LECTERN_WEBHOOK_SECRET: 'school',
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
 * Reads the variables of this process and takes them out of its environment, which all that it starts would
 * inherit. Throws as `readVariables`.
 */
export function takeVariables(env: NodeJS.ProcessEnv = process.env): Variables {
  const variables = readVariables(env);
  for (const name of Object.keys(env)) {
    if (name.startsWith('LECTERN_')) Reflect.deleteProperty(env, name);
  }
  return variables;
}

/** The settings of this process, taken as {@link takeVariables} does. */
export const takeSettings = (): Settings => settingsOf(takeVariables());
