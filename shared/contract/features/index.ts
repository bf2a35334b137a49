// Every feature of a room, and what all of them declare together.
import { broadcast } from './broadcast.ts';
import { chapters } from './chapters.ts';
import { chat } from './chat.ts';
import { door } from './door.ts';
import type { FeatureSpec } from './feature.ts';
import { hands } from './hands.ts';
import { media } from './media.ts';
import { stage } from './stage.ts';
import { timer } from './timer.ts';

/** A new feature is one more entry here, in `sfu/room/features/index.ts` and in `web/features/index.ts`. */
export const FEATURES = [media, stage, door, broadcast, chat, hands, chapters, timer] as const;
type Feature = (typeof FEATURES)[number];

type Intersection<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void
  ? I
  : never;
type Part = Exclude<keyof FeatureSpec, 'name'>;
/** The tables of one kind, as one. */
type Together<P extends Part> = { [K in keyof Intersection<Feature[P]>]: Intersection<Feature[P]>[K] };

function together<P extends Part>(part: P): Together<P> {
  const entries = FEATURES.flatMap((feature) => Object.entries(feature[part]));
  const names = new Set(entries.map(([name]) => name));
  if (names.size < entries.length) throw new Error(`Two features of a room declare the same ${part}.`);
  return Object.fromEntries(entries) as Together<P>;
}

export const FEATURE_PERMISSIONS = together('permissions');
export const FEATURE_REQUESTS = together('requests');
export const FEATURE_FACTS = together('facts');
export const FEATURE_EVENTS = together('events');
export const FEATURE_SNAPSHOT = together('snapshot');
