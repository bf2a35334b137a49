export {};

declare module '../database/tables.ts' {
  interface Tables {
    /** How far each outbox of the other services was applied. */
    outbox: { name: string; lastId: number };
  }
}
