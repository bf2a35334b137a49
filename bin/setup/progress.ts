// What a person sees while set-up works: one line that changes in a terminal, few lines elsewhere.

const QUIET_MS = 15_000;

/** One step of set-up. */
export interface Step {
  /** Says how far it is. */
  update(text: string): void;
  /** Ends the step; with a text, that is its last word. */
  end(text?: string): void;
}

/** Begins a step. Lines go to stderr, so that stdout holds the log alone. */
export function beginStep(title: string, out: NodeJS.WriteStream = process.stderr): Step {
  const startedMs = Date.now();
  const live = out.isTTY;
  let toldMs = startedMs;
  const clear = () => {
    if (live) out.write('\r\u001b[K');
  };
  out.write(live ? `${title} …` : `${title} …\n`);
  return {
    update(text) {
      if (live) {
        clear();
        out.write(`${title}: ${text}`.slice(0, out.columns - 1));
      } else if (Date.now() - toldMs >= QUIET_MS) {
        toldMs = Date.now();
        out.write(`${title}: ${text}\n`);
      }
    },
    end(text = `done in ${duration(Date.now() - startedMs)}`) {
      clear();
      out.write(`${title}: ${text}\n`);
    },
  };
}

/** `45 s`, `4 min 10 s`; rounded, for people. */
export function duration(ms: number): string {
  const s = Math.max(1, Math.round(ms / 1_000));
  if (s < 60) return `${s} s`;
  return s % 60 === 0 ? `${s / 60} min` : `${Math.floor(s / 60)} min ${s % 60} s`;
}
