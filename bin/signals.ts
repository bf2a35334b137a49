// When a command of bin/ has to end: a signal, or the end of the process that started it. `lectern.mjs`
// and the tests hold an IPC channel to it for that, so that nothing is left however they go.

/** Calls `stop` at SIGINT, SIGTERM, SIGHUP and when the parent is gone; perhaps more than once. */
export function onStop(stop: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  process.on('disconnect', stop);
}
