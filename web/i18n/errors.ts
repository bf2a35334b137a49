// Every refusal in plain words: what it is, and what to do about it.
import type { DiskTrouble, ErrorCode } from '#shared/contract/errors.ts';
import { defineMessages } from '../state/i18n.svelte.ts';

export const t = defineMessages({
  en: {
    goHome: 'Go to the home page',
    reload: 'Try again',
    codeLabel: 'Code: {code}',

    notFoundTitle: 'There is nothing here',
    notFoundText:
      'Part of the link may be missing: copy the whole link, to its last letter, and open it again. If that does not help, what it led to was deleted.',
    inviteTitle: 'This link does not work',
    inviteText:
      'Part of it may be missing: copy the whole link, to its last letter, and open it again. If that does not help, it was replaced: ask the teacher for a new one.',
    inputTitle: 'This was not accepted',
    inputText: 'Check what you entered, then try again.',
    expiredTitle: 'This link has expired',
    expiredText: 'Ask the teacher for a new one.',
    linkReplacedTitle: 'This link was replaced',
    linkReplacedText: 'Ask the teacher for the new one.',
    linkEndedTitle: 'This link was ended',
    linkEndedText: 'Ask the teacher if you still need the replay.',
    consentTitle: 'You have to agree to be recorded',
    consentText: 'Reload this page: the question is above Join.',
    waitTitle: 'Waiting to be let in',
    waitText: 'Keep this page open.',
    forbiddenTitle: 'You cannot open this page',
    forbiddenText: 'Your link is for another page. Ask the teacher for the right one.',
    signInTitle: 'Sign in first',
    signInText: 'Open the owner link. It is in the terminal where Lectern was started.',
    endedTitle: 'This class has ended',
    endedText: 'If it was recorded, the watch link leads to the replay.',
    fullTitle: 'This room is full',
    fullText: 'You can still watch: ask the teacher for the watch link.',
    chatFilled:
      'The chat of this class is full: students can send nothing more. You can still write a little.',
    chatFullTitle: 'The chat is full',
    chatFullText: 'Your share of this class’s chat, or all of it, is used up: nothing more can be sent.',
    removedTitle: 'You were removed from this class',
    removedText: 'If that was a mistake, talk to the teacher.',
    replacedTitle: 'You are in this class in another tab',
    replacedText: 'Continue there, or reload this page to continue here.',
    busyTitle: 'Too many requests',
    busyText: 'Wait a moment, then try again.',
    notLiveTitle: 'Nothing is live now',
    notLiveText: 'Keep this page open: it starts by itself.',
    codecTitle: 'This browser cannot join',
    codecText:
      'It supports no video format that the class can use. Use a current version of Chrome, Edge, Firefox or Safari.',
    conflictTitle: 'Something changed in the meantime',
    conflictText: 'Reload the page and try again.',
    diskTitle: 'The disk is full',
    diskText: 'Nothing more can be recorded until the operator frees some space.',
    diskAwayTitle: 'The server cannot save anything now',
    diskAwayText: 'Its disk cannot be written. Ask the operator to look at it; what you see goes on.',
    notRecordedFull:
      'The class is live but is not being recorded: the server’s disk is full. Recording goes on by itself as soon as there is room.',
    notRecordedAway:
      'The class is live but is not being recorded: the server cannot write to its disk. Recording goes on by itself as soon as it can.',
    unavailableTitle: 'Lectern cannot be reached',
    unavailableText: 'You are offline, or a part of Lectern is restarting. Try again in a moment.',
    internalTitle: 'Something went wrong',
    internalText: 'The error was logged. Try again; if it happens again, give the operator the code below.',
  },
  zh: {
    goHome: '回到首页',
    reload: '重试',
    codeLabel: '代码：{code}',

    notFoundTitle: '这里什么也没有',
    notFoundText:
      '链接可能没有复制完整：请复制整个链接，直到最后一个字符，再重新打开。如果仍然打不开，说明内容已被删除。',
    inviteTitle: '这个链接打不开',
    inviteText:
      '链接可能没有复制完整：请复制整个链接，直到最后一个字符，再重新打开。如果仍然打不开，说明链接已被更换，请向老师索取新的链接。',
    inputTitle: '内容未被接受',
    inputText: '请检查填写的内容，然后重试。',
    expiredTitle: '这个链接已过期',
    expiredText: '请向老师索取新的链接。',
    linkReplacedTitle: '这个链接已更换',
    linkReplacedText: '请向老师索取新的链接。',
    linkEndedTitle: '这个链接已停用',
    linkEndedText: '如果还需要观看回放，请联系老师。',
    consentTitle: '进入前须同意被录制',
    consentText: '请刷新本页，在“加入”上方勾选同意。',
    waitTitle: '请等待老师同意',
    waitText: '请不要关闭本页。',
    forbiddenTitle: '你不能打开这个页面',
    forbiddenText: '你的链接不适用于这个页面，请向老师索取正确的链接。',
    signInTitle: '请先登录',
    signInText: '请打开所有者链接，它显示在启动 Lectern 的终端里。',
    endedTitle: '这节课已下课',
    endedText: '如果这节课有录制，可以通过观看链接打开回放。',
    fullTitle: '课堂已满',
    fullText: '你仍可观看直播：请向老师索取观看链接。',
    chatFilled: '本节课的聊天内容已达上限，学生无法继续发送；你还可以补充少量内容。',
    chatFullTitle: '聊天已满',
    chatFullText: '你的发言或本节课的聊天内容已达上限，无法继续发送。',
    removedTitle: '你已被移出课堂',
    removedText: '如果是误操作，请联系老师。',
    replacedTitle: '你已在另一个标签页进入课堂',
    replacedText: '请在那里继续，或刷新本页回到这里。',
    busyTitle: '请求过于频繁',
    busyText: '请稍等片刻再试。',
    notLiveTitle: '现在没有直播',
    notLiveText: '请保持页面打开，直播开始后会自动播放。',
    codecTitle: '这个浏览器无法加入课堂',
    codecText: '它不支持课堂使用的视频格式。请使用新版 Chrome、Edge、Firefox 或 Safari。',
    conflictTitle: '内容已发生变化',
    conflictText: '请刷新页面后重试。',
    diskTitle: '磁盘已满',
    diskText: '在管理员清理空间之前无法继续录制。',
    notRecordedFull: '直播正常，但没有在录制：服务器磁盘已满。腾出空间后会自动继续录制。',
    notRecordedAway: '直播正常，但没有在录制：服务器磁盘暂时无法写入。恢复后会自动继续录制。',
    diskAwayTitle: '服务器暂时无法保存数据',
    diskAwayText: '服务器磁盘无法写入，请联系管理员检查；当前画面不受影响。',
    unavailableTitle: '无法连接到 Lectern',
    unavailableText: '可能是网络断开，或者 Lectern 正在重启。请稍后重试。',
    internalTitle: '出了点问题',
    internalText: '错误已记录，请重试。如果再次出现，请把下面的代码告诉管理员。',
  },
});

type Family =
  | 'notFound'
  | 'invite'
  | 'input'
  | 'expired'
  | 'linkReplaced'
  | 'linkEnded'
  | 'wait'
  | 'forbidden'
  | 'signIn'
  | 'ended'
  | 'full'
  | 'chatFull'
  | 'removed'
  | 'replaced'
  | 'busy'
  | 'notLive'
  | 'codec'
  | 'consent'
  | 'conflict'
  | 'disk'
  | 'diskAway'
  | 'unavailable'
  | 'internal';

/** Codes that mean the same to a person share their words. */
const FAMILIES: Readonly<Record<ErrorCode, Family>> = {
  'bad-request': 'input',
  'too-large': 'internal',
  'not-found': 'notFound',
  'method-not-allowed': 'internal',
  'not-acceptable': 'internal',
  'unsupported-media-type': 'internal',
  'rate-limited': 'busy',
  unauthorized: 'signIn',
  forbidden: 'forbidden',
  'ticket-invalid': 'invite',
  'ticket-expired': 'expired',
  'link-replaced': 'linkReplaced',
  'link-ended': 'linkEnded',
  'signature-missing': 'invite',
  'signature-invalid': 'invite',
  'signature-expired': 'expired',
  'unknown-channel': 'notFound',
  'not-live': 'notLive',
  'room-closed': 'ended',
  'must-wait': 'wait',
  'consent-needed': 'consent',
  'room-full': 'full',
  'chat-full': 'chatFull',
  'not-joined': 'conflict',
  'peer-removed': 'removed',
  'session-replaced': 'replaced',
  conflict: 'conflict',
  'publish-key-invalid': 'invite',
  'already-publishing': 'conflict',
  'precondition-failed': 'conflict',
  'precondition-required': 'internal',
  'already-live': 'conflict',
  'unsupported-codec': 'codec',
  'range-not-satisfiable': 'internal',
  'disk-full': 'disk',
  'disk-unavailable': 'diskAway',
  'service-unavailable': 'unavailable',
  'internal-error': 'internal',
};

/** On a page that was opened by a link: signing in is for owners, and who has half a link needs all of it. */
export function forLinks(code: ErrorCode): ErrorCode {
  return code === 'unauthorized' || code === 'bad-request' ? 'ticket-invalid' : code;
}

/** A refusal's heading and advice in the language in use. Reactive. */
export function explain(code: ErrorCode): { title: string; text: string } {
  const family = FAMILIES[code];
  return { title: t(`${family}Title`), text: t(`${family}Text`) };
}

/** What a teacher is told while the class is live but not recorded. Reactive. */
export const notRecorded = (trouble: DiskTrouble): string =>
  t(trouble === 'disk-full' ? 'notRecordedFull' : 'notRecordedAway');
