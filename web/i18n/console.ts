// The owner's console: what is on air, how the services are, what needs a look.
import type { ServiceName, Warning, WarningCode } from '#shared/contract/status.ts';
import { defineMessages, formatBytes, formatNumber } from '../state/i18n.svelte.ts';

export const t = defineMessages({
  en: {
    title: 'Console',
    loading: 'Asking the services',
    failedTitle: 'The status did not load',
    stale: 'These figures are from {when}: the last answer did not come. Trying again.',
    signInTitle: 'The console is for the owner',
    signInText: 'Open the owner link first. It is printed in the terminal where Lectern was started.',

    warningsTitle: 'Needs a look',
    allWell: 'Everything is well.',

    classesTitle: 'On air',
    noneTitle: 'Nothing is on air',
    noneText: 'A class is here as soon as its teacher goes live.',
    noneUnknown: 'The gateway does not answer, so nobody knows what is on air.',
    stateStarting: 'Starting',
    stateLive: 'Live',
    stateInterrupted: 'Interrupted',
    in: 'In',
    out: 'Out',
    fps: 'Pictures',
    perSecond: '{value}/s',
    viewers: 'Viewers',
    nobody: 'nobody',
    kilobits: '{value} kb/s',
    megabits: '{value} Mb/s',
    milliseconds: '{value} ms',
    keyframes: 'Key frames',
    every: 'every {value} s',
    skew: 'Sound sent later by',
    loss: 'Lost packets',
    firstFrame: 'First picture',
    firstFrameValue: '{p50} ms, most within {p95} ms',
    noValue: 'not known',
    onAirFor: 'for {duration}',

    servicesTitle: 'Services',
    gateway: 'Gateway',
    sfu: 'Rooms (SFU)',
    school: 'School',
    up: 'Answers',
    down: 'Does not answer',
    answered: 'in {ms} ms',
    cpu: 'Processor',
    cpuValue: '{percent} of a core',
    memory: 'Memory',
    uptime: 'Runs for',
    rooms: 'Rooms',
    people: 'People',
    sound: 'AAC workers',
    soundValue: '{count}, {seconds} s of processor time',

    diskTitle: 'Disk',
    diskFree: '{free} free of {size}',
    diskRecordings: 'Recordings take {bytes}.',
    diskUsed: 'Used part of the disk',

    wServiceDown: '{service} does not answer. It is started anew by itself; if this stays, look at the log.',
    wDiskFull: 'The disk is full ({bytes} left): classes are no longer recorded. Delete recordings.',
    wDiskLow: 'The disk is nearly full: {bytes} left. An hour of class takes about 1.5 GB.',
    wSourceGone: '“{title}”: nothing comes from the teacher. The broadcast waits and ends after two minutes.',
    wClassNote: '“{title}”: {note}',
    wPacketLoss: '“{title}”: {percent} of the teacher’s packets are lost. A cable is better than Wi-Fi.',
    wKeyframesRare:
      '“{title}”: {seconds} s from key frame to key frame, so viewers wait long. Set it to 2 s in the encoder.',
    wSkew: '“{title}”: sound and picture are {ms} ms apart on their way out.',
    wViewersSlow: '“{title}”: {count} times a viewer’s connection was too slow in the last half minute.',
    wSoundLate: 'Sound is made {ms} ms late: the processor has too much to do.',
    wWorkerDied:
      'A media worker of the rooms ended unexpectedly ({count} so far). People reconnect by themselves.',
    wEventsWaiting: '{service} has {count} events that the school has not taken yet.',
  },
  zh: {
    title: '控制台',
    loading: '正在询问各服务',
    failedTitle: '状态加载失败',
    stale: '这是 {when} 的数据：最近一次查询没有响应，正在重试。',
    signInTitle: '控制台仅供所有者使用',
    signInText: '请先打开所有者链接。它显示在启动 Lectern 的终端里。',

    warningsTitle: '需要关注',
    allWell: '一切正常。',

    classesTitle: '正在直播',
    noneTitle: '没有正在直播的课程',
    noneText: '老师开播后，课程会出现在这里。',
    noneUnknown: '网关没有响应，无法得知正在直播的课程。',
    stateStarting: '正在开始',
    stateLive: '直播中',
    stateInterrupted: '已中断',
    in: '接收',
    out: '发送',
    fps: '帧率',
    perSecond: '{value} 帧/秒',
    viewers: '观众',
    nobody: '没有人',
    kilobits: '{value} kbps',
    megabits: '{value} Mbps',
    milliseconds: '{value} 毫秒',
    keyframes: '关键帧间隔',
    every: '{value} 秒',
    skew: '声音滞后',
    loss: '丢包率',
    firstFrame: '首帧',
    firstFrameValue: '通常 {p50} 毫秒，多在 {p95} 毫秒内',
    noValue: '未知',
    onAirFor: '已直播 {duration}',

    servicesTitle: '服务',
    gateway: '网关',
    sfu: '课堂（SFU）',
    school: '教务',
    up: '响应正常',
    down: '没有响应',
    answered: '{ms} 毫秒',
    cpu: 'CPU',
    cpuValue: '单核 {percent}',
    memory: '内存',
    uptime: '已运行',
    rooms: '课堂数',
    people: '人数',
    sound: 'AAC 工作线程',
    soundValue: '{count} 个，共用 CPU {seconds} 秒',

    diskTitle: '磁盘',
    diskFree: '共 {size}，剩余 {free}',
    diskRecordings: '录像占用 {bytes}。',
    diskUsed: '磁盘已用比例',

    wServiceDown: '{service}没有响应。它会自动重启；如果持续如此，请查看日志。',
    wDiskFull: '磁盘已满（剩余 {bytes}）：课程不再录制。请删除一些录像。',
    wDiskLow: '磁盘空间不足：剩余 {bytes}。一小时课程约占 1.5 GB。',
    wSourceGone: '“{title}”：没有收到老师的画面和声音。直播会等待两分钟，然后结束。',
    wClassNote: '“{title}”：{note}',
    wPacketLoss: '“{title}”：老师一侧丢包 {percent}。建议用网线代替 Wi-Fi。',
    wKeyframesRare: '“{title}”：关键帧间隔 {seconds} 秒，观众等待较久。请在编码器中改为 2 秒。',
    wSkew: '“{title}”：声音与画面相差 {ms} 毫秒。',
    wViewersSlow: '“{title}”：最近半分钟内，观众网络过慢 {count} 次。',
    wSoundLate: '声音编码滞后 {ms} 毫秒：CPU 过于繁忙。',
    wWorkerDied: '课堂的媒体进程意外结束（共 {count} 次）。大家会自动重连。',
    wEventsWaiting: '{service}有 {count} 个事件尚未送达教务服务。',
  },
});

const WORDS = {
  'service-down': 'wServiceDown',
  'disk-full': 'wDiskFull',
  'disk-low': 'wDiskLow',
  'source-gone': 'wSourceGone',
  'class-note': 'wClassNote',
  'packet-loss': 'wPacketLoss',
  'keyframes-rare': 'wKeyframesRare',
  skew: 'wSkew',
  'viewers-slow': 'wViewersSlow',
  'sound-late': 'wSoundLate',
  'worker-died': 'wWorkerDied',
  'events-waiting': 'wEventsWaiting',
} as const satisfies Record<WarningCode, string>;

export const serviceName = (name: ServiceName): string => t(name);

/** What a person should know and do. */
export function warningText({ code, service, title = '', value = 0, note = '' }: Warning): string {
  return t(WORDS[code], {
    title,
    note,
    service: service === undefined ? '' : serviceName(service),
    bytes: formatBytes(value),
    percent: formatNumber(value, { style: 'percent', maximumFractionDigits: 1 }),
    seconds: Math.round(value / 1_000),
    ms: Math.round(value),
    count: value,
  });
}

/** `2.1 Mb/s`. */
export function formatRate(bps: number): string {
  const [value, unit] = bps < 1e6 ? ([bps / 1e3, 'kilobits'] as const) : ([bps / 1e6, 'megabits'] as const);
  return t(unit, { value: formatNumber(value, { maximumFractionDigits: value < 10 ? 1 : 0 }) });
}
