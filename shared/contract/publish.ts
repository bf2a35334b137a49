// The key with which a program publishes to a channel: OBS, ffmpeg, an encoder in a rack. One key opens
// one channel of one lesson, by RTMP, WHIP and WebCodecs alike; it does not expire, it is replaced:
//   key  = <lesson>.<version>.<sign>
//   sign = base64url(HMAC-SHA256(secret, `publish\n/live/<channel>\n<lesson>\n<version>`))
import { z } from 'zod';
import { PublisherNotice } from './publisher-notice.ts';
import { LessonId } from './ids.ts';

/** Versions count up with each *New key*; the first is 0. */
export const PublishVersion = z.number().int().min(0).max(999_999);

const KEY = /^([a-z0-9]{8,24})\.(0|[1-9]\d{0,5})\.([A-Za-z0-9_-]{43})$/;

/** The parts of a key. */
export interface PublishKeyParts {
  readonly lesson: string;
  readonly version: number;
  /** base64url, 43 characters. */
  readonly sign: string;
}

/** Reads a key as a person pastes it; undefined if it cannot be one. Says nothing of its signature. */
export function parsePublishKey(key: string): PublishKeyParts | undefined {
  const [, lesson, version, sign] = KEY.exec(key.trim()) ?? [];
  if (lesson === undefined || version === undefined || sign === undefined) return undefined;
  return LessonId.safeParse(lesson).success ? { lesson, version: Number(version), sign } : undefined;
}

/** The exact text that is signed. */
export function publishMessage(channel: string, lesson: string, version: number): string {
  return `publish\n/live/${channel}\n${lesson}\n${version}`;
}

/** Where a channel is published to, relative to the door; `rtmp` is what OBS calls the stream key. */
export const publishPaths = (channel: string, key: string) => ({
  rtmpStreamKey: `${channel}?key=${key}`,
  whip: `/whip/${channel}?key=${key}`,
  webcodecs: `/publish/${channel}?key=${key}`,
});

/** How a lesson is published to, as REST tells it. Absolute addresses. */
export const PublishLinks = z.object({
  rtmp: z.object({
    /** OBS: *Server*. */
    url: z.url(),
    /** OBS: *Stream Key*. */
    key: z.string(),
  }),
  /** With the key in it; a program that wants a bearer token takes the key, and the address without `?`. */
  whip: z.url(),
  webcodecs: z.url(),
});
export type PublishLinks = z.infer<typeof PublishLinks>;

/** A program, or the teacher's own encoder, that has the one place there is in a class. */
export const EncoderView = z.object({
  kind: z.enum(['rtmp', 'whip', 'webcodecs', 'relay']),
  /** What its tile is called. */
  name: z.string(),
  /** `idle`: it is connected, and no media come. */
  state: z.enum(['sending', 'idle']),
  /** What is not as it should be now, such as a picture that has to be converted; empty if all is well. */
  notices: z.array(PublisherNotice).max(8).default([]),
});
export type EncoderView = z.infer<typeof EncoderView>;

/** `GET /api/v1/lessons/:id/encoder`, and the SFU's own answer to it. */
export const EncoderNow = z.object({
  /** Null while nothing is published to the class from outside. */
  encoder: EncoderView.nullable(),
});
export type EncoderNow = z.infer<typeof EncoderNow>;
