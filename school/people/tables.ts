export {};

declare module '../database/tables.ts' {
  interface Tables {
    /** The owner's sign-ins; `id` is made from the token in the cookie and does not tell it. */
    session: { id: string; expiresAtMs: number };
  }
}
