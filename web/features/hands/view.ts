import type { FeatureView } from '../feature.ts';
import { toggleHand } from './acts.ts';
import { createHands } from './engine.ts';
import HandButton from './HandButton.svelte';
import HandsList from './HandsList.svelte';
import { hands as text } from './texts.ts';

export const hands: FeatureView = {
  create: createHands,
  button: HandButton,
  people: HandsList,
  waiting: (room) => (room.may('peer:manage') ? room.feature(createHands).raised.length : 0),
  shortcut: {
    key: 'H',
    text: () => text('shortcut'),
    may: (room) => room.may('hand:raise'),
    act: toggleHand,
  },
  notices: {
    'hand-raised': ([name = '', ...others]) => ({
      text: others.length === 0 ? text('raised', { name }) : text('manyRaised', { count: others.length + 1 }),
      tone: 'info',
    }),
  },
};
