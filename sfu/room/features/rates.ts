// How often a person may ask for what is costly. Requests of one rate share its tokens.
import type { Rate } from '#shared/token-bucket.ts';

/** A join makes a transport and a consumer for each stream, and its answer is the whole room. */
export const JOIN: Rate = { size: 6, perSecond: 0.5 };
export const TRANSPORT: Rate = { size: 20, perSecond: 1 };
/** Everyone in the room is sent each of these, and the programme is chosen again. */
export const PUBLISH: Rate = { size: 20, perSecond: 2 };
/** Push-to-talk is two of these for each press. */
export const PAUSE: Rate = { size: 20, perSecond: 3 };
/** Each may ask the sender for a key frame. */
export const LAYER: Rate = { size: 120, perSecond: 5 };
/** Faster than anyone types. */
export const CHAT: Rate = { size: 20, perSecond: 1 };
/** Everyone sees a hand go up. */
export const HAND: Rate = { size: 10, perSecond: 0.5 };
/** A teacher clears up after a flood, or mutes a whole class. */
export const MANAGE: Rate = { size: 200, perSecond: 10 };
export const BROADCAST: Rate = { size: 10, perSecond: 0.5 };
