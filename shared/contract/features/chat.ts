// What is written in a room.
import { z } from 'zod';
import { Role } from '../../domain/roles.ts';
import { MessageId, PeerId, visibleText } from '../ids.ts';
import { Nothing, type FeatureSpec } from './feature.ts';

export const ChatMessage = z.object({
  id: MessageId,
  peerId: PeerId,
  name: z.string(),
  role: Role,
  text: z.string(),
  sentAtMs: z.number(),
});
export type ChatMessage = z.infer<typeof ChatMessage>;

/** The longest chat message, in characters. */
export const MAX_CHAT_LENGTH = 2_000;
/** Lines and tabs stay, other control characters and halves of characters go. */
export const ChatText = z
  .string()
  .transform((text) => text.replace(/[^\P{Cc}\n\t]|\p{Cs}/gu, '').trim())
  .pipe(visibleText(MAX_CHAT_LENGTH));
/** How many messages a newcomer is given, and how many bytes of text they have at most. */
export const CHAT_HISTORY = 200;
export const CHAT_HISTORY_BYTES = 128 * 1024;

export const chat = {
  name: 'chat',
  permissions: {
    'chat:send': { roles: ['teacher', 'assistant', 'student'], grantable: true },
    'chat:moderate': { roles: ['teacher', 'assistant'], grantable: false },
  },
  requests: {
    'chat:send': {
      in: z.object({
        /** Chosen by the sender; the same id sent again is acknowledged, not posted twice. */
        id: MessageId,
        text: ChatText,
      }),
      out: z.object({ message: ChatMessage }),
      permission: 'chat:send',
    },
    'chat:delete': { in: z.object({ messageId: MessageId }), out: Nothing, permission: 'chat:moderate' },
  },
  facts: {
    'chat:posted': ChatMessage,
    'chat:deleted': z.object({ messageId: MessageId }),
    /** To those who teach: the lesson's share of chat is used up, and students can write no more. */
    'chat:filled': Nothing,
  },
  events: {
    'chat:posted': z.object({ message: ChatMessage }),
    'chat:deleted': z.object({ messageId: MessageId }),
  },
  snapshot: { chat: z.array(ChatMessage) },
} as const satisfies FeatureSpec;
