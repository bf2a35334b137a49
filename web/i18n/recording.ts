// The texts about whether a class is recorded.
import type { RecordingMode } from '#shared/domain/recording.ts';
import { defineMessages } from '../state/i18n.svelte.ts';

export const recording = defineMessages({
  en: {
    // In the class
    rec: 'REC',
    paused: 'Paused',
    off: 'Not recorded',
    will: 'Will record',
    record: 'Record',
    pause: 'Pause recording',
    resume: 'Resume recording',
    leaveOut: 'Do not record',
    saidOn: 'The class is being recorded.',
    saidPaused: 'Recording is paused. No sound or picture of this is kept; the chat is.',
    saidOff: 'The class is not being recorded.',
    shortcut: 'Record, pause or resume',
    joinRecorded: 'This class is recorded: what you say, show and write is in the replay.',
    joinRecordedWatching: 'This class is recorded: what you write is in the replay.',
    consent:
      'I agree to be recorded: what I write, and what I say and show once the teacher lets me, is in the replay.',
    consentNeeded: 'Agree to join, or ask your teacher how to take part otherwise.',
    joinNotRecorded: 'This class is not being recorded now. You see REC as soon as it is.',
    // In the list of classes
    title: 'Recording',
    label: 'Record this class',
    hint: 'While it is on, those who teach can pause it: no sound or picture of a pause is kept; the chat is.',
    automatic: 'From Go live on',
    manual: 'Only when somebody presses Record',
    always: 'Always, without pauses',
    splitTime: 'New file after',
    splitSize: 'New file at',
    splitNever: 'One file',
    splitMinutes: { one: '{count} minute', other: '{count} minutes' },
    asksConsent: 'Ask students to agree to be recorded before they join',
    saved: 'Saved.',
  },
  zh: {
    rec: '录制中',
    paused: '已暂停',
    off: '未录制',
    will: '将会录制',
    record: '录制',
    pause: '暂停录制',
    resume: '继续录制',
    leaveOut: '不录制',
    saidOn: '本课正在录制。',
    saidPaused: '录制已暂停，这一段的画面和声音不会保留，聊天会保留。',
    saidOff: '本课没有录制。',
    shortcut: '录制、暂停或继续',
    joinRecorded: '本课会录制：你说的话、画面和文字都会出现在回放里。',
    joinRecordedWatching: '本课会录制：你写的文字会出现在回放里。',
    consent: '我同意被录制：我写的文字，以及经老师允许后的发言和画面，会出现在回放里。',
    consentNeeded: '请先同意再进入；如不同意，请联系老师以其他方式上课。',
    joinNotRecorded: '本课目前没有录制。开始录制后，你会看到“录制中”。',
    title: '录制',
    label: '录制本课',
    hint: '上课时，老师或助教可以暂停录制：暂停期间的画面和声音不会保留，聊天会保留。',
    automatic: '从开始直播起',
    manual: '仅在有人按下“录制”之后',
    always: '始终录制，不能暂停',
    splitTime: '按时长分割文件',
    splitSize: '按大小分割文件',
    splitNever: '不分割',
    splitMinutes: { one: '每 {count} 分钟', other: '每 {count} 分钟' },
    asksConsent: '学生进入前须同意被录制',
    saved: '已保存。',
  },
});

/** What a lesson says of its recordings. */
export const recordingMode = (mode: RecordingMode): string => recording(mode);
