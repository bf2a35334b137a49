// Failures that change nothing.

/** For `.catch`: it may fail because of `why`, and nothing has to be done then. Gives undefined. */
export const expected = (_why: string) => (): undefined => undefined;
