// What is used of sdp-transform, which carries no types of its own.
declare module 'sdp-transform' {
  /** Never throws; what it does not understand is left out. */
  export function parse(sdp: string): unknown;
  export function write(session: object): string;
}
