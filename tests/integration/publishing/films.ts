// What publishers send, made once by ffmpeg.
import { mediaFile } from '../../support/media-file.ts';

const PICTURE = '-f lavfi -i testsrc2=size=640x360:rate=30';
const TONE = '-f lavfi -i sine=frequency=440:sample_rate=44100';
const AAC = '-c:a aac -b:a 96k -ac 2';

/** As OBS is to be set: no B-frames, a key frame each second. */
export const plain = (): string =>
  mediaFile(
    'publish-plain',
    `${PICTURE} ${TONE} -t 30 -c:v libx264 -profile:v high -preset superfast -bf 0 -g 30 -b:v 1500k -pix_fmt yuv420p ${AAC}`,
  );

/** As x264 does by itself: B-frames. */
export const withBFrames = (): string =>
  mediaFile(
    'publish-bframes',
    `${PICTURE} ${TONE} -t 20 -c:v libx264 -preset veryfast -bf 3 -g 30 -b:v 1500k -pix_fmt yuv420p ${AAC}`,
  );

export const hevc = (): string =>
  mediaFile(
    'publish-hevc',
    `${PICTURE} ${TONE} -t 8 -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=30 -pix_fmt yuv420p ${AAC}`,
  );

const FLASH = `-f lavfi -i color=black:size=320x180:rate=30,drawbox=w=iw:h=ih:color=white:t=fill:enable='lt(mod(t,1),0.1)'`;
const FLASH_CODECS = `-c:v libx264 -preset ultrafast -bf 0 -g 15 -pix_fmt yuv420p ${AAC}`;

/** Each second a white picture and a beep for 0.1 s, together. */
export const flashAndBeep = (lengthS = 40): string =>
  mediaFile(
    'publish-flash',
    `${FLASH} -f lavfi -i aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000 -t ${lengthS} ${FLASH_CODECS}`,
  );

/** The same with another tone on the left than on the right, in Hz. */
export const stereoFlashAndBeep = (lengthS: number, [left, right]: readonly [number, number]): string => {
  const beep = (hz: number) => `0.8*sin(2*PI*${hz}*t)*lt(mod(t,1),0.1)`;
  return mediaFile(
    'publish-stereo-flash',
    `${FLASH} -f lavfi -i aevalsrc='${beep(left)}|${beep(right)}':c=stereo:s=48000 -t ${lengthS} ${FLASH_CODECS}`,
  );
};

/** 4:4:4, 10 bit, larger than full HD. */
export const unusual = (): string =>
  mediaFile(
    'publish-unusual',
    `-f lavfi -i testsrc2=size=2048x1152:rate=10 -t 8 -c:v libx264 -preset ultrafast -bf 0 -g 10 -pix_fmt yuv444p`,
  );

/** 1280×720, a key frame each two seconds as in OBS; few pictures, so that small machines keep up. */
export const large = (): string =>
  mediaFile(
    'publish-large',
    `-f lavfi -i testsrc2=size=1280x720:rate=10 ${TONE} -t 20 -c:v libx264 -profile:v high -preset superfast -bf 0 -g 20 -sc_threshold 0 -b:v 1500k -pix_fmt yuv420p ${AAC}`,
  );
