// What monitors ask the door: is every service ready, and the figures of all of them in one answer.
import type { Registry } from 'prom-client';

const ASK_LIMIT_MS = 2_000;

/** The services' origins by name. */
export type Origins = Readonly<Record<string, string>>;

/** Asks each service whether it is ready. */
export async function readiness(
  origins: Origins,
): Promise<{ ok: boolean; services: Record<string, boolean> }> {
  const answers = await Promise.all(
    Object.entries(origins).map(async ([name, origin]) => {
      return [name, (await ask(`${origin}/readyz`)) !== undefined] as const;
    }),
  );
  return { ok: answers.every(([, ok]) => ok), services: Object.fromEntries(answers) };
}

/** The figures of all services that answer, and the door's `own`, in Prometheus' text format. */
export async function allMetrics(origins: Origins, own: Registry): Promise<string> {
  const texts = await Promise.all(
    Object.values(origins).map(async (origin) => (await ask(`${origin}/metrics`)) ?? ''),
  );
  return mergeMetrics([await own.metrics(), ...texts]);
}

/** The text of a good answer, read to its end; undefined where there is none, or only a part of it. */
async function ask(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ASK_LIMIT_MS) });
    const text = await response.text();
    return response.ok ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Puts several answers together. The format allows one HELP and one TYPE for each metric, with all its
 * lines in one group (Prometheus exposition format 0.0.4, "Grouping and sorting").
 */
export function mergeMetrics(texts: readonly string[]): string {
  const groups = new Map<string, { head: Map<string, string>; samples: string[] }>();
  for (const text of texts) {
    let group: { head: Map<string, string>; samples: string[] } | undefined;
    for (const line of text.split('\n')) {
      const [, kind, name] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
      if (kind !== undefined && name !== undefined) {
        group = groups.get(name) ?? { head: new Map(), samples: [] };
        groups.set(name, group);
        if (!group.head.has(kind)) group.head.set(kind, line);
      } else if (line !== '') {
        group?.samples.push(line);
      }
    }
  }
  return [...groups.values()]
    .flatMap(({ head, samples }) => [...head.values(), ...samples])
    .map((line) => `${line}\n`)
    .join('');
}
