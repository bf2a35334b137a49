// Signed addresses expire (shared/contract/playback.ts): when, and how a request gets a fresh signature.
import { thumbnailFile } from '#shared/contract/playback.ts';

const SIGNATURE = ['expires', 'sign', 'viewer', 'epoch'] as const;

/** When the address stops being valid, in ms since 1970; Infinity if it is not signed. */
export function expiresAtMs(address: string): number {
  const seconds = Number(new URL(address).searchParams.get('expires'));
  return seconds > 0 ? seconds * 1_000 : Number.POSITIVE_INFINITY;
}

/**
 * `address` with the signature of `fresh`. One signature covers a resource and all below it, so that
 * of a playlist fits its segments. What was not signed, or is on another server, stays as it is.
 */
export function withSignatureOf(fresh: string, address: string): string {
  const url = new URL(address, fresh);
  const source = new URL(fresh);
  if (!url.searchParams.has('sign') || url.origin !== source.origin) return url.href;
  for (const name of SIGNATURE) {
    const value = source.searchParams.get(name);
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.href;
}

/** The address of the thumbnail of second `atS`, next to the signed one of its playlist. */
export function thumbnailAddress(playlist: string, atS: number): string {
  const url = new URL(thumbnailFile(atS), playlist);
  url.search = new URL(playlist).search;
  return url.href;
}
