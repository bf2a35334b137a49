import { t as refusal } from '../../i18n/errors.ts';
import type { FeatureView } from '../feature.ts';
import ChatPanel from './ChatPanel.svelte';
import { createChat } from './engine.ts';
import { chat as text } from './texts.ts';

export const chat: FeatureView = {
  create: createChat,
  panel: {
    id: 'chat',
    icon: 'chat',
    label: () => text('chat'),
    unseen: (count) => text('chatUnread', { count }),
    count: (room) => room.feature(createChat).unread,
    part: ChatPanel,
    key: 'C',
    keyText: () => text('chat'),
  },
  notices: { 'chat-filled': () => ({ text: refusal('chatFilled'), tone: 'danger' }) },
};
