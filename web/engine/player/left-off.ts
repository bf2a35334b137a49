// Where this browser left off in replays: a long one is not searched for the place again.
import { z } from 'zod';
import type { StorePort } from '../ports.ts';

const KEY = 'lectern:replays';
/** So many replays are remembered, the one that was watched last first. */
const MAX_REPLAYS = 50;
/** The first and the last of a replay are no place to go on from, in s. */
const BEGINNING_S = 10;
const END_S = 10;

const Places = z.array(z.tuple([z.string(), z.number().min(0)])).max(MAX_REPLAYS);
type Places = z.infer<typeof Places>;

function read(store: StorePort): Places {
  try {
    const places = Places.safeParse(JSON.parse(store.get(KEY) ?? '[]'));
    return places.success ? places.data : [];
  } catch {
    return [];
  }
}

/** Where `recording` was left, in s; 0 if that is not known, or not worth going on from. */
export function recallPlace(store: StorePort, recording: string): number {
  return read(store).find(([id]) => id === recording)?.[1] ?? 0;
}

/** Keeps that `recording`, which lasts `lengthS`, was left at `atS`. */
export function rememberPlace(store: StorePort, recording: string, atS: number, lengthS: number): void {
  const others = read(store).filter(([id]) => id !== recording);
  const isWorthIt = atS >= BEGINNING_S && atS <= lengthS - END_S;
  const places: Places = isWorthIt ? [[recording, Math.round(atS)], ...others] : others;
  store.set(KEY, places.length === 0 ? null : JSON.stringify(places.slice(0, MAX_REPLAYS)));
}
