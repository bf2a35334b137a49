// Every feature of a room that a page shows, in the order in which they show themselves. The first panel is the one
// that is open when a student comes in.
import { chapters } from './chapters/view.ts';
import { chat } from './chat/view.ts';
import { door } from './door/view.ts';
import type { FeatureView } from './feature.ts';
import { hands } from './hands/view.ts';
import { timer } from './timer/view.ts';

export const FEATURES: readonly FeatureView[] = [door, hands, chat, chapters, timer];

/** Microphone, camera, recording, people, help: see Room.svelte. */
const ROOM_KEYS = ['M', 'V', 'R', 'P', '?'];
const keys = [
  ...ROOM_KEYS,
  ...FEATURES.flatMap(({ panel, shortcut }) => [panel, shortcut]).flatMap((one) => one?.key ?? []),
];
const twice = keys.find((key, index) => keys.indexOf(key) !== index);
if (twice !== undefined) throw new Error(`Two shortcuts of the room have the key ${twice}.`);
