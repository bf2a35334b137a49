// What a press of the button, or of its key, does.
import type { RoomState } from '../../state/room.svelte.ts';
import { createHands } from './engine.ts';

/** True while our own hand is up. Reactive. */
export const isUp = (room: RoomState): boolean =>
  room.feature(createHands).raised.some(({ peerId }) => peerId === room.you?.id);

/** Raises our own hand, or lowers it. */
export function toggleHand(room: RoomState): void {
  const hands = room.feature(createHands);
  void room.ask('hand', () => (isUp(room) ? hands.lower() : hands.raise()));
}
