/** The longest delay that a timer takes in Node and in browsers, in ms: with a longer one it fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
