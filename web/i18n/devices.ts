// The texts about cameras and microphones that cannot be used, or stopped.
import { defineMessages } from '../state/i18n.svelte.ts';

export const devices = defineMessages({
  en: {
    deniedCamera:
      'The browser blocks the camera. Click the camera or lock icon next to the address, allow the camera, then try again.',
    deniedMicrophone:
      'The browser blocks the microphone. Click the microphone or lock icon next to the address, allow the microphone, then try again.',
    missingCamera: 'No camera was found. Plug one in, then try again.',
    missingMicrophone: 'No microphone was found. Plug one in, then try again.',
    busyCamera: 'Another program is using the camera. Close it, then try again.',
    busyMicrophone: 'Another program is using the microphone. Close it, then try again.',
    insecureCamera: 'Browsers allow the camera only on https pages. Ask the operator for the https address.',
    insecureMicrophone:
      'Browsers allow the microphone only on https pages. Ask the operator for the https address.',
    failedCamera: 'The camera could not be opened. Unplug it, plug it in again, then try again.',
    failedMicrophone: 'The microphone could not be opened. Unplug it, plug it in again, then try again.',
    unpluggedCamera:
      'The camera was unplugged, or the browser closed it. Plug it in again, or choose another one.',
    unpluggedMicrophone:
      'The microphone was unplugged, or the browser closed it. Plug it in again, or choose another one.',
    readyCamera: 'A camera is ready to use.',
    readyMicrophone: 'A microphone is ready to use.',
    lostCamera: 'Your camera stopped: nobody sees you.',
    lostMicrophone: 'Your microphone stopped: nobody hears you.',
  },
  zh: {
    deniedCamera: '浏览器不允许使用摄像头。请点击地址栏旁的摄像头或锁形图标，选择允许，然后重试。',
    deniedMicrophone: '浏览器不允许使用麦克风。请点击地址栏旁的麦克风或锁形图标，选择允许，然后重试。',
    missingCamera: '没有找到摄像头。请接上摄像头后重试。',
    missingMicrophone: '没有找到麦克风。请接上麦克风后重试。',
    busyCamera: '摄像头正被其他程序使用。请关闭该程序后重试。',
    busyMicrophone: '麦克风正被其他程序使用。请关闭该程序后重试。',
    insecureCamera: '浏览器只允许 https 页面使用摄像头。请向管理员索取 https 地址。',
    insecureMicrophone: '浏览器只允许 https 页面使用麦克风。请向管理员索取 https 地址。',
    failedCamera: '无法打开摄像头。请重新插拔后重试。',
    failedMicrophone: '无法打开麦克风。请重新插拔后重试。',
    unpluggedCamera: '摄像头已被拔出，或被浏览器关闭。请重新接上，或选用其他摄像头。',
    unpluggedMicrophone: '麦克风已被拔出，或被浏览器关闭。请重新接上，或选用其他麦克风。',
    readyCamera: '摄像头可以使用了。',
    readyMicrophone: '麦克风可以使用了。',
    lostCamera: '摄像头已停止，没有人能看到你。',
    lostMicrophone: '麦克风已停止，没有人能听到你。',
  },
});
