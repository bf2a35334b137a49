import type { FeatureView } from '../feature.ts';
import ChaptersPanel from './ChaptersPanel.svelte';
import { createChapters } from './engine.ts';
import { chapters as text } from './texts.ts';

export const chapters: FeatureView = {
  create: createChapters,
  panel: {
    id: 'chapters',
    icon: 'bookmark',
    label: () => text('chapters'),
    // A mark asks nothing of anybody.
    unseen: () => text('chapters'),
    count: () => 0,
    part: ChaptersPanel,
    key: 'B',
    keyText: () => text('chapters'),
  },
};
