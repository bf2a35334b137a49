// What is said of what a program publishes, for who teaches and for who publishes from a browser.
import type { ConversionReason, PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { defineMessages } from '../state/i18n.svelte.ts';

const advice = defineMessages({
  en: {
    converted: 'The server converts this stream, which costs quality and delay. In the encoder: {wishes}.',
    'picture-codec': 'There is no picture ({codec}): choose H.264 in the encoder.',
    'picture-undescribed':
      'There is no picture: the stream lacks its parameter sets (SPS and PPS). Restart the encoder.',
    'sound-codec': 'There is no sound ({codec}): choose AAC in the encoder.',
    'sound-undescribed': 'There is no sound: the stream lacks its configuration. Restart the encoder.',
    'sound-layout': 'There is no sound: choose stereo in the encoder.',
    'sound-broken': 'There is no sound: it cannot be decoded. In the encoder, choose AAC-LC, stereo, 48 kHz.',
    'apart-audio':
      'The sound arrives more than 5 s after the picture, so viewers miss it. Look at the delays in the encoder.',
    'apart-video':
      'The picture arrives more than 5 s after the sound, so viewers miss it. Look at the delays in the encoder.',
    'no-ffmpeg': 'There is no sound: the server lacks ffmpeg. Ask the person who runs it to install ffmpeg.',
    and: '; ',
    'b-frames': 'set B-frames to 0',
    codec: 'choose H.264',
    colours: 'choose NV12 or I420 (8 bit, 4:2:0) as the colour format',
    interlaced: 'send progressive pictures, not interlaced ones',
    pixels: 'send square pixels',
    size: 'set the output resolution to 1920×1080 or less',
    rate: 'set the frame rate to 60 or less',
    keyframes: 'set the keyframe interval to 2 s',
  },
  zh: {
    converted: '服务器正在转码这路推流，画质和延迟都会受影响。请在推流软件中：{wishes}。',
    'picture-codec': '没有画面（{codec}）：请在推流软件中选择 H.264 编码。',
    'picture-undescribed': '没有画面：推流中缺少解码参数（SPS 和 PPS）。请重新启动推流软件。',
    'sound-codec': '没有声音（{codec}）：请在推流软件中选择 AAC 编码。',
    'sound-undescribed': '没有声音：推流中缺少音频配置。请重新启动推流软件。',
    'sound-layout': '没有声音：请在推流软件中选择立体声。',
    'sound-broken': '没有声音：音频无法解码。请在推流软件中选择 AAC-LC、立体声、48 kHz。',
    'apart-audio': '声音比画面晚到 5 秒以上，观众听不到。请检查推流软件中的延迟设置。',
    'apart-video': '画面比声音晚到 5 秒以上，观众看不到。请检查推流软件中的延迟设置。',
    'no-ffmpeg': '没有声音：服务器上没有 ffmpeg。请联系管理员安装。',
    and: '；',
    'b-frames': '把 B 帧数设为 0',
    codec: '选择 H.264 编码',
    colours: '颜色格式选择 NV12 或 I420（8 位，4:2:0）',
    interlaced: '使用逐行扫描，不要隔行扫描',
    pixels: '使用方形像素',
    size: '输出分辨率不超过 1920×1080',
    rate: '帧率不超过 60',
    keyframes: '关键帧间隔设为 2 秒',
  },
});

/** The notice in the language in use. Reactive. */
export function adviceText(notice: PublisherNotice): string {
  if (notice.code === 'converted') {
    const wishes = notice.reasons.map((reason: ConversionReason) => advice(reason)).join(advice('and'));
    return advice('converted', { wishes });
  }
  if (notice.code === 'apart') return advice(`apart-${notice.late}`);
  return 'codec' in notice ? advice(notice.code, { codec: notice.codec }) : advice(notice.code);
}
