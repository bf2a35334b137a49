import type { FeatureView } from '../feature.ts';
import { createDoor } from './engine.ts';
import { door as text } from './texts.ts';
import WaitingList from './WaitingList.svelte';
import WaitingNote from './WaitingNote.svelte';

export const door: FeatureView = {
  create: createDoor,
  people: WaitingList,
  waiting: (room) => room.feature(createDoor).waiting.length,
  note: WaitingNote,
  notices: {
    knocked: ([name = '', ...others]) => ({
      text:
        others.length === 0 ? text('knocked', { name }) : text('manyKnocked', { count: others.length + 1 }),
      tone: 'info',
    }),
  },
};
