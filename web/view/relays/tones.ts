// The colour of each state of a relay.
export const TONES = {
  idle: 'neutral',
  connecting: 'accent',
  running: 'success',
  retrying: 'warning',
  failed: 'danger',
} as const;
