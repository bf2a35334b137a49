// The texts about being live: what is so, what it means, and what ends it.
import type { BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import { defineMessages } from '../state/i18n.svelte.ts';

export const onAir = defineMessages({
  en: {
    // Before and while live
    roomOnly: 'In the room only',
    roomOnlyHint: 'Students in the room see and hear you. The audience outside does not, until you go live.',
    goingLive: 'Going live',
    waitingForMedia: 'Waiting for your microphone, camera or screen',
    waitingForMediaHint:
      'You are live as soon as you turn on your microphone or camera, or share your screen.',
    joinRoomOnly:
      'Students in the room see and hear you as soon as you join. The audience outside sees you once you go live.',
    joinLive: 'This class is live: the room and the audience see and hear you as soon as you join.',
    joinWait: 'The broadcast waits for you: it ends in {left}.',
    break: 'Break',
    onBreak:
      'The audience sees “Back in a moment” and hears silence. Turn on your microphone or camera, or share your screen, to go on.',
    interrupted:
      'Your picture and sound do not get through. The audience waits, and the broadcast goes on by itself.',
    waitForYou: 'The broadcast waits for you: it ends in {left}.',
    waitForStaff: 'Nobody who teaches is connected: the broadcast ends in {left}.',
    failed: 'The broadcast failed: {reason}',
    converted: 'This browser sends VP8, which is converted for the audience.',
    noFfmpeg: 'This browser’s picture has to be converted, and ffmpeg is not installed on the server.',
    conversionBroken: 'This browser’s picture could not be converted. Try another browser.',
    unreadable: 'What this browser sends cannot be read. Go live again.',
    broken: 'Something went wrong on the server, and it was logged. Go live again.',
    gatewayAway: 'The server for the audience is restarting. The broadcast goes on by itself.',
    // For students
    breakTitle: 'The class is having a break',
    breakText: 'It goes on by itself when the teacher is back.',
    teacherLost:
      'The teacher’s connection was lost. Stay here: the class goes on by itself when the teacher is back.',
    // The end
    endedAbsent: 'The broadcast ended because nobody who teaches was connected.',
    recorded: '{duration} recorded.',
    goLiveAgain: 'Go live again',
    stopped: 'Broadcast stopped.',
    stoppedRecorded: 'Broadcast stopped, {duration} recorded',
    end: 'End',
    endQuestion: 'What do you want to end?',
    stopText: 'The audience sees no more. The class goes on in the room, and you can go live again.',
    leaveText: 'The class goes on without you, and you can join again.',
    leaveLiveText: 'The broadcast waits for you for {wait}, then it ends.',
    leaveLiveOthersText: 'The broadcast goes on: others who teach are here.',
    endText: 'Everyone leaves the room, and the replay is made ready. This cannot be undone.',
    endQuietText:
      'Everyone leaves the room. There is no replay, since the class was not live. This cannot be undone.',
    // Said aloud
    saidLive: 'You are live.',
    saidInterrupted: 'The broadcast is interrupted.',
    saidBreak: 'The audience sees a break.',
    saidEnded: 'The broadcast has ended.',
  },
  zh: {
    roomOnly: '仅课堂内',
    roomOnlyHint: '课堂里的学生能看到、听到你；开始直播后，课堂外的观众才能看到。',
    goingLive: '正在开始直播',
    waitingForMedia: '等待你的麦克风、摄像头或屏幕',
    waitingForMediaHint: '打开麦克风、摄像头或共享屏幕后，直播立即开始。',
    joinRoomOnly: '加入后，课堂里的学生立即能看到、听到你；开始直播后，课堂外的观众才能看到。',
    joinLive: '本课正在直播：加入后，课堂里的学生和观众立即能看到、听到你。',
    joinWait: '直播正在等你：{left} 后结束。',
    break: '课间',
    onBreak: '观众看到“马上回来”，听不到声音。打开麦克风、摄像头或共享屏幕即可继续。',
    interrupted: '你的画面和声音无法送达。观众正在等待，恢复后直播自动继续。',
    waitForYou: '直播正在等你：{left} 后结束。',
    waitForStaff: '没有老师或助教在线：直播将在 {left} 后结束。',
    failed: '直播失败：{reason}',
    converted: '此浏览器发送的是 VP8，正在为观众转码。',
    noFfmpeg: '此浏览器的画面需要转码，但服务器上没有安装 ffmpeg。',
    conversionBroken: '此浏览器的画面无法转码，请换一个浏览器。',
    unreadable: '无法读取此浏览器发送的内容，请重新开始直播。',
    broken: '服务器出现问题，已记录到日志，请重新开始直播。',
    gatewayAway: '面向观众的服务正在重启，直播稍后自动继续。',
    breakTitle: '课间休息',
    breakText: '老师回来后，课堂自动继续。',
    teacherLost: '老师的网络断开了。请留在这里：老师回来后，课堂自动继续。',
    endedAbsent: '因为没有老师或助教在线，直播已结束。',
    recorded: '已录制 {duration}。',
    goLiveAgain: '重新开始直播',
    stopped: '直播已停止。',
    stoppedRecorded: '直播已停止，已录制 {duration}',
    end: '下课',
    endQuestion: '你要结束什么？',
    stopText: '观众不再看到画面。课堂继续，你可以再次开始直播。',
    leaveText: '没有你，课堂仍会继续；你可以再次加入。',
    leaveLiveText: '直播会等你 {wait}，之后结束。',
    leaveLiveOthersText: '直播继续：还有其他老师或助教在。',
    endText: '所有人离开课堂，并生成回放。此操作无法撤销。',
    endQuietText: '所有人离开课堂。本课没有直播，因此没有回放。此操作无法撤销。',
    saidLive: '你正在直播。',
    saidInterrupted: '直播已中断。',
    saidBreak: '观众看到课间画面。',
    saidEnded: '直播已结束。',
  },
});

const NOTICES = {
  converted: 'converted',
  'no-ffmpeg': 'noFfmpeg',
  'conversion-broken': 'conversionBroken',
  unreadable: 'unreadable',
  broken: 'broken',
  'gateway-away': 'gatewayAway',
} as const satisfies Record<BroadcastNotice, string>;

/** What a person should know of a broadcast. */
export const broadcastNotice = (notice: BroadcastNotice): string => onAir(NOTICES[notice]);
