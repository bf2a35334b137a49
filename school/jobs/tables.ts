import type { Generated } from 'kysely';

declare module '../database/tables.ts' {
  interface Tables {
    /** What is still to be done at the other services; `body` is a `Job` as JSON. */
    errand: { id: Generated<number>; body: string };
  }
}
