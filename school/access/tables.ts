export {};

declare module '../database/tables.ts' {
  interface Tables {
    /** What is set for the whole school; `body` is JSON. */
    setting: { name: 'access' | 'gateway-instance'; version: number; body: string };
  }
}
