// Asks whether a Lectern runs on this machine's ports.
import { z } from 'zod';
import type { Variables } from '#server/settings.ts';
import { doorOrigin } from './ports.ts';

const ASK_LIMIT_MS = 3_000;
export const Health = z.object({ ok: z.boolean(), version: z.string() });
const Readiness = z.object({ ok: z.boolean(), services: z.record(z.string(), z.boolean()) });

export interface RunningLectern {
  readonly version: string;
  /** Services that cannot serve. */
  readonly notReady: readonly string[];
}

/** The Lectern behind LECTERN_PORT, or undefined if nothing or something else answers there. */
export async function findRunning(variables: Variables): Promise<RunningLectern | undefined> {
  if (variables.LECTERN_PORT === 0) return undefined;
  const origin = doorOrigin(variables);
  const health = Health.safeParse(await ask(`${origin}/healthz`));
  if (!health.success) return undefined;
  const ready = Readiness.safeParse(await ask(`${origin}/readyz`));
  const services = Object.entries(ready.data?.services ?? { door: false });
  return { version: health.data.version, notReady: services.filter(([, ok]) => !ok).map(([name]) => name) };
}

/** The JSON of any answer; an Error whose message is the system's code where there is none. */
export async function ask(url: string): Promise<unknown> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ASK_LIMIT_MS), redirect: 'error' });
    return await response.json();
  } catch (error) {
    const { cause = error } = error as { cause?: { code?: string; message: string } };
    const { code, message } = cause as { code?: string; message: string };
    return new Error(code ?? message);
  }
}
