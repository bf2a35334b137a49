// The texts of the chat.
import { defineMessages } from '../../state/i18n.svelte.ts';

export const chat = defineMessages({
  en: {
    chat: 'Chat',
    chatUnread: { one: 'Chat, {count} new message', other: 'Chat, {count} new messages' },
    message: 'Message',
    messagePlaceholder: 'Write a message',
    messageTooLong: '{length} of {most} characters: shorten it to send it.',
    send: 'Send',
    chatEmptyTitle: 'No messages yet',
    chatEmptyText: 'Say hello: everyone in the room can read it.',
    chatNotAllowed: 'The teacher turned off the chat for you.',
    sending: 'Sending…',
    sendFailed: 'Not sent.',
    retry: 'Try again',
    discard: 'Discard',
    deleteMessage: 'Delete message of {name}',
    newMessages: 'New messages',
  },
  zh: {
    chat: '聊天',
    chatUnread: '聊天，{count} 条新消息',
    message: '消息',
    messagePlaceholder: '输入消息',
    messageTooLong: '已输入 {length} 个字符，最多 {most} 个，请缩短后发送。',
    send: '发送',
    chatEmptyTitle: '还没有消息',
    chatEmptyText: '打个招呼吧，课堂里的人都能看到。',
    chatNotAllowed: '老师已关闭你的聊天。',
    sending: '正在发送……',
    sendFailed: '未发送。',
    retry: '重试',
    discard: '放弃',
    deleteMessage: '删除 {name} 的消息',
    newMessages: '新消息',
  },
});
