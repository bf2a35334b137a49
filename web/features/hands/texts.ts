// The texts of raised hands.
import { defineMessages } from '../../state/i18n.svelte.ts';

export const hands = defineMessages({
  en: {
    raise: 'Raise hand',
    lower: 'Lower hand',
    raisedHands: 'Raised hands',
    lowerNamed: 'Lower the hand of {name}',
    raised: '{name} raised a hand',
    manyRaised: '{count} people raised a hand',
    shortcut: 'Raise or lower your hand',
  },
  zh: {
    raise: '举手',
    lower: '放下手',
    raisedHands: '举手的人',
    lowerNamed: '让 {name} 放下手',
    raised: '{name} 举手了',
    manyRaised: '{count} 人举手了',
    shortcut: '举手或放下手',
  },
});
