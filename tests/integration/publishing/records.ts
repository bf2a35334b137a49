// What an encoder in a browser sends, made of a film by ffmpeg.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { FlvDemuxer, parseAudioBody, parseVideoBody } from '#shared/media/flv.ts';
import { opusConfig, opusHead } from '#shared/media/opus.ts';
import { encodePublishFrame, type PublishFrame } from '#shared/media/publish-frames.ts';
import { OggOpusReader } from '../../../gateway/ffmpeg/containers/ogg.ts';
import { plain } from './films.ts';

/** A record, and when it is to be sent. */
export interface Timed {
  readonly atMs: number;
  readonly frame: PublishFrame;
}

/** The first `seconds` of the film as records: H.264 as it is, with AAC or made into Opus. */
export function records(seconds: number, sound: 'opus' | 'aac'): Timed[] {
  const ffmpeg = (...args: string[]) =>
    execFileSync('ffmpeg', ['-v', 'error', '-i', plain(), '-t', String(seconds), ...args, '-'], {
      maxBuffer: 64 * 1024 * 1024,
    });
  const all: Timed[] = [];
  for (const tag of new FlvDemuxer().readBytes(ffmpeg('-c', 'copy', '-f', 'flv'))) {
    const atMs = tag.timestampMs;
    const ptsUs = atMs * 1_000;
    if (tag.type === 'video') {
      const body = parseVideoBody(tag.body);
      if (body.type === 'config') {
        all.push({ atMs, frame: { kind: 'video-config', codec: 'h264', data: body.config.record } });
      } else if (body.type === 'frame') {
        all.push({ atMs, frame: { kind: 'video', ptsUs, key: body.key, data: body.data } });
      }
    } else if (tag.type === 'audio' && sound === 'aac') {
      const body = parseAudioBody(tag.body);
      if (body.type === 'config') {
        all.push({ atMs, frame: { kind: 'audio-config', codec: 'aac', data: body.config.description } });
      } else if (body.type === 'frame') {
        all.push({ atMs, frame: { kind: 'audio', ptsUs, data: body.data } });
      }
    }
  }
  if (sound === 'opus') {
    all.push({ atMs: 0, frame: { kind: 'audio-config', codec: 'opus', data: opusHead(opusConfig(2)) } });
    const packets = new OggOpusReader().readBytes(ffmpeg('-vn', '-c:a', 'libopus', '-f', 'ogg'));
    for (const [index, data] of packets.entries()) {
      all.push({ atMs: index * 20, frame: { kind: 'audio', ptsUs: index * 20_000, data } });
    }
  }
  return all.sort((a, b) => a.atMs - b.atMs);
}

/** Sends in real time, until all is sent or the connection is over. */
export async function playRecords(
  socket: WebSocket,
  all: readonly Timed[],
  startMs = performance.now(),
): Promise<void> {
  for (const { atMs, frame } of all) {
    const waitMs = startMs + atMs - performance.now();
    if (waitMs > 4) await sleep(waitMs);
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(encodePublishFrame(frame));
  }
}
