// Sending a class on to other servers, and taking its picture from one.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { RelayReason, RelayTrouble } from '#shared/contract/relay.ts';
import { defineMessages } from '../state/i18n.svelte.ts';
import { explain } from './errors.ts';

export const t = defineMessages({
  en: {
    title: 'Relays',
    none: 'None',
    unknown: 'Unknown',
    countIdle: '{count} waiting',
    countConnecting: '{count} connecting',
    countRunning: '{count} running',
    countRetrying: '{count} trying again',
    countFailed: '{count} stopped',

    pushTitle: 'Also stream to …',
    pushText: 'YouTube, Twitch or any other RTMP server gets the class while it is live.',
    server: 'Server',
    key: 'Stream key',
    keyHint: 'Leave it empty if the address includes it.',
    add: 'Add',
    pullTitle: 'Take the picture from …',
    pullText:
      'A camera or another stream becomes the picture of this class, and the class goes live with it.',
    source: 'Address',
    sourceHint: 'RTMP, HTTP-FLV or HLS',
    take: 'Use this source',
    remove: 'Remove {where}',
    idle: 'Waiting for the class',
    connecting: 'Connecting',
    running: 'Streaming',
    receiving: 'Receiving',
    retrying: 'Trying again',
    failed: 'Stopped',
    wrongPush: 'Enter an address that begins with rtmp:// or rtmps:// and has a path.',
    wrongPull: 'Enter an address that begins with rtmp://, rtmps://, http:// or https:// and has a path.',
    unavailable: 'The status is not available right now.',
    loading: 'Loading …',

    whyRefused: 'The server refused the connection.',
    whyClosed: 'The server closed the connection.',
    whyNoAnswer: 'The server did not answer.',
    whyUnreachable: 'The server cannot be reached.',
    whyName: 'The server’s name was not found.',
    whyPrivate: 'This address is on an internal network, which is not allowed here.',
    whyTakesNothing: 'The server no longer takes anything.',
    whySendsNothing: 'The source sends nothing.',
    whyEnded: 'The source has ended.',
    whyUnreadable: 'What the source sends cannot be read.',
    whyNoFfmpeg: 'ffmpeg was not found on the server: install it, or set LECTERN_FFMPEG.',
    whyProgram: 'The program that carries it says: {detail}',
    whyTaken: 'Another program is publishing to this class; the source waits for it to stop.',
    whyClassOver: 'The class is over.',
    whySentAway: 'The teacher removed it from the class.',
  },
  zh: {
    title: '转推与拉流',
    none: '无',
    unknown: '状态未知',
    countIdle: '{count} 个等待开播',
    countConnecting: '{count} 个连接中',
    countRunning: '{count} 个运行中',
    countRetrying: '{count} 个重试中',
    countFailed: '{count} 个已停止',

    pushTitle: '同时转推到……',
    pushText: 'YouTube、Twitch 或任何 RTMP 服务器：直播时同步转推。',
    server: '服务器',
    key: '推流码',
    keyHint: '如果地址中已包含推流码，可留空。',
    add: '添加',
    pullTitle: '拉取外部画面……',
    pullText: '把摄像机或其他直播流用作这节课的画面，并随之开播。',
    source: '地址',
    sourceHint: 'RTMP、HTTP-FLV 或 HLS',
    take: '使用此画面',
    remove: '移除 {where}',
    idle: '等待开播',
    connecting: '连接中',
    running: '转推中',
    receiving: '接收中',
    retrying: '重试中',
    failed: '已停止',
    wrongPush: '请输入以 rtmp:// 或 rtmps:// 开头并带有路径的地址。',
    wrongPull: '请输入以 rtmp://、rtmps://、http:// 或 https:// 开头并带有路径的地址。',
    unavailable: '暂时无法获取状态。',
    loading: '正在加载……',

    whyRefused: '服务器拒绝了连接。',
    whyClosed: '服务器断开了连接。',
    whyNoAnswer: '服务器没有响应。',
    whyUnreachable: '无法连接到服务器。',
    whyName: '找不到该服务器的域名。',
    whyPrivate: '该地址位于内网，此处不允许使用。',
    whyTakesNothing: '服务器不再接收数据。',
    whySendsNothing: '来源没有发送数据。',
    whyEnded: '来源已结束。',
    whyUnreadable: '来源发送的内容无法读取。',
    whyNoFfmpeg: '服务器上找不到 ffmpeg：请安装，或设置 LECTERN_FFMPEG。',
    whyProgram: '转发程序报告：{detail}',
    whyTaken: '另一个程序正在向这节课推流；此来源会等它停止。',
    whyClassOver: '课已结束。',
    whySentAway: '老师已将它移出课堂。',
  },
});

const REASONS = {
  'connection-refused': 'whyRefused',
  'connection-closed': 'whyClosed',
  'no-answer': 'whyNoAnswer',
  unreachable: 'whyUnreachable',
  'name-unknown': 'whyName',
  'private-address': 'whyPrivate',
  'takes-nothing': 'whyTakesNothing',
  'sends-nothing': 'whySendsNothing',
  'source-ended': 'whyEnded',
  unreadable: 'whyUnreadable',
  'no-ffmpeg': 'whyNoFfmpeg',
  program: 'whyProgram',
} as const satisfies Record<RelayTrouble, string>;

/** What the class answers to a source, in words for who set the relay up. */
const ANSWERS = {
  'already-publishing': 'whyTaken',
  'room-closed': 'whyClassOver',
  'peer-removed': 'whySentAway',
} as const satisfies Partial<Record<ErrorCode, string>>;

/** Why a relay is not running, in the language in use. Reactive. */
export function relayReason({ code, detail }: RelayReason): string {
  const words = { ...REASONS, ...ANSWERS };
  const isOurs = (one: string): one is keyof typeof words => Object.hasOwn(words, one);
  return isOurs(code) ? t(words[code], { detail: detail ?? '' }) : explain(code).text;
}
