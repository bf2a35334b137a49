// Every feature of a room, in the order in which they are opened (shared/contract/features/index.ts).
import { broadcast } from './broadcast/on-air.ts';
import { chapters } from './chapters.ts';
import { chat } from './chat/chat.ts';
import { door } from './door.ts';
import type { AnyFeature } from './feature.ts';
import { hands } from './hands.ts';
import { media } from './media.ts';
import { stage } from './stage.ts';
import { timer } from './timer.ts';

export const FEATURES: readonly AnyFeature[] = [media, stage, door, broadcast, chat, hands, chapters, timer];
