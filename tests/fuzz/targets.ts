// Every parser that meets the network, each fed with what real programs send, spoilt. A target may refuse
// an input only in its own way; anything else that is thrown is a finding.
import { Registry } from 'prom-client';
import { LecternError } from '#shared/contract/errors.ts';
import { decodeAmf0 } from '#shared/media/amf0.ts';
import { parseAudioSpecificConfig } from '#shared/media/aac.ts';
import { parseAvcRecord, parseSps, readAvcc, splitAnnexB } from '#shared/media/avc.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import { FlvDemuxer, flvTag, parseAudioBody, parseVideoBody } from '#shared/media/flv.ts';
import { opusConfig, opusHead, opusPacketInfo, parseOpusHead } from '#shared/media/opus.ts';
import { decodePublishFrame, encodePublishFrame } from '#shared/media/publish-frames.ts';
import {
  isRtcp,
  readFeedback,
  readSenderReports,
  writePictureLoss,
  writeSenderReport,
} from '#shared/media/rtcp.ts';
import { parseRtp } from '#shared/media/rtp.ts';
import { readPlayback, signPlayback } from '#server/playback-sign.ts';
import { isKnown, parseRange } from '../../gateway/servers/http/http-media.ts';
import { parsePlaylistName } from '../../gateway/servers/hls/live-routes.ts';
import { hasBSlice, inspectConfig } from '../../gateway/ingest/publication/inspect.ts';
import type { Publication } from '../../gateway/ingest/publication/types.ts';
import { FlvSource } from '../../gateway/servers/rtmp/flv-source.ts';
import { RtmpConnection } from '../../gateway/servers/rtmp/protocol.ts';
import { parseTarget } from '../../gateway/servers/http/gateway-http.ts';
import { ClockGroup, TrackClock } from '../../gateway/ingest/clock.ts';
import { IngestTally } from '../../gateway/ingest/metrics.ts';
import { RtpReceiver } from '../../gateway/ingest/rtp/receiver.ts';
import { readFragment } from '../../sfu/sdp/fragment.ts';
import { readOffer } from '../../sfu/sdp/offer.ts';
import { CHROMIUM_OFFER, OBS_OFFER } from '../unit/sfu/offers.ts';
import { flvFile, rtmpClient, rtpPackets } from './captures.ts';

export interface Target {
  readonly name: string;
  /** Whole captures; inputs are made of them. */
  readonly seeds: readonly Uint8Array[];
  /** Takes one input. Throws only what `allowed` knows. */
  take(input: Buffer): void;
  /** True for the refusals that are part of the contract. */
  allowed(error: unknown): boolean;
}

const malformed = (error: unknown) => error instanceof MalformedError;
const never = () => false;

/** A seed is cut to this: the parsers have seen everything by then, and inputs stay quick. */
const SEED_BYTES = 16 * 1024;

function receiver(codec: 'h264' | 'opus', payloadType: number, ssrc: number): RtpReceiver {
  const clockRate = codec === 'h264' ? 90_000 : 48_000;
  return new RtpReceiver({
    track: {
      id: 'fuzz',
      kind: codec === 'h264' ? 'video' : 'audio',
      source: codec === 'h264' ? 'camera' : 'microphone',
      codec,
      ssrc,
      payloadType,
      clockRate,
      layer: 0,
      absCaptureTimeId: 3,
    },
    clock: new TrackClock(clockRate, new ClockGroup()),
    counts: new IngestTally(new Registry()).open(),
    ownSsrc: 7,
    onUnit: () => undefined,
    send: () => undefined,
  });
}

async function rtp(kind: 'video' | 'audio'): Promise<Target> {
  const packets = await rtpPackets(kind);
  const media = packets.filter((packet) => !isRtcp(packet));
  const first = parseRtp(media[0] ?? Buffer.alloc(0));
  if (first === undefined) throw new Error('the capture holds no RTP');
  // One receiver for all inputs, as a stream that goes on between bad packets: what it keeps would show.
  const stream = receiver(kind === 'video' ? 'h264' : 'opus', first.payloadType, first.ssrc);
  let nowMs = 0;
  let next = 0;
  return {
    name: `RTP, ${kind}`,
    seeds: packets,
    take(input) {
      nowMs += 10;
      // Between two spoilt packets one of the good ones comes as well.
      stream.rtp(media[next % media.length] ?? input, nowMs);
      next += 1;
      if (isRtcp(input)) for (const report of readSenderReports(input)) stream.senderReport(report, nowMs);
      else stream.rtp(input, nowMs);
      stream.tick(nowMs);
    },
    allowed: never,
  };
}

/** Takes what a publisher sends as far as it is looked at without a room. */
const NOWHERE: Publication = {
  aheadMs: 0,
  publishVideo({ config, data }) {
    if ('codec' in config) inspectConfig(config);
    hasBSlice(readAvcc(data));
  },
  publishAudio: () => undefined,
  advise: () => undefined,
  settle: () => undefined,
  rename: () => undefined,
  end: () => undefined,
};

/** An RTMP message that holds two, in one chunk (RTMP 1.0 §5.3.1 and §7.1.6). */
function aggregate(): Buffer {
  const body = Buffer.concat([
    flvTag('audio', 1_000, Uint8Array.of(0xaf, 1, 0x21, 0x10, 0x04)),
    flvTag('video', 1_020, Uint8Array.of(0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 0x9a)),
  ]);
  const head = Buffer.alloc(12);
  head[0] = 6;
  head.writeUIntBE(1_000, 1, 3);
  head.writeUIntBE(body.length, 4, 3);
  head[7] = 22;
  head[8] = 1;
  return Buffer.concat([head, body]);
}

async function rtmp(action: 'play' | 'publish'): Promise<Target> {
  const whole = await rtmpClient(action);
  // With all of the handshake, and with the handshake as it should be but the rest spoilt.
  const handshake = whole.subarray(0, 1 + 1536 + 1536);
  const rest = whole.subarray(handshake.length, handshake.length + SEED_BYTES);
  let turn = 0;
  return {
    name: `RTMP, a client that would ${action}`,
    seeds: action === 'publish' ? [rest, Buffer.concat([rest, aggregate(), aggregate()])] : [rest],
    take(input) {
      turn += 1;
      const source = new FlvSource({ publication: NOWHERE });
      const connection: RtmpConnection = new RtmpConnection({
        output: () => undefined,
        ask: ({ action: asked }) => connection.accept(asked),
        media: (type, timestampMs, body) => source.publishTag(type, timestampMs, body),
        request: () => undefined,
        left: () => undefined,
      });
      const all = turn % 8 === 0 ? input : Buffer.concat([handshake, input]);
      // As the network cuts it.
      const cut = input.length === 0 ? 0 : (turn * 7_919) % all.length;
      connection.readBytes(Buffer.from(all.subarray(0, cut)));
      connection.readBytes(Buffer.from(all.subarray(cut)));
    },
    // The socket is closed on whatever this throws (rtmp-server.ts); only time and memory count.
    allowed: (error) => error instanceof Error,
  };
}

async function flv(): Promise<Target[]> {
  const file = await flvFile();
  const tags = new FlvDemuxer().readBytes(file);
  const bodies = (type: string) => tags.filter((tag) => tag.type === type).map((tag) => tag.body);
  return [
    {
      name: 'FLV',
      seeds: [file.subarray(0, SEED_BYTES)],
      take(input) {
        const demuxer = new FlvDemuxer();
        const cut = Math.floor(input.length / 3);
        for (const part of [input.subarray(0, cut), input.subarray(cut)]) demuxer.readBytes(part);
      },
      allowed: malformed,
    },
    {
      name: 'FLV video and AVC',
      seeds: bodies('video').slice(0, 20),
      take(input) {
        const body = parseVideoBody(input);
        if ('record' in body && body.record instanceof Uint8Array) parseAvcRecord(body.record);
        readAvcc(input.subarray(5));
        splitAnnexB(input);
      },
      allowed: malformed,
    },
    {
      name: 'AVC configuration',
      seeds: bodies('video')
        .slice(0, 1)
        .map((body) => body.subarray(5)),
      take(input) {
        parseAvcRecord(input);
        parseSps(input.subarray(8));
      },
      allowed: malformed,
    },
    {
      name: 'FLV audio and AAC',
      seeds: bodies('audio').slice(0, 20),
      take(input) {
        parseAudioBody(input);
        parseAudioSpecificConfig(input.subarray(2));
      },
      allowed: malformed,
    },
    {
      name: 'AMF0',
      seeds: bodies('script'),
      take(input) {
        decodeAmf0(input);
      },
      allowed: malformed,
    },
  ];
}

function addresses(): Target[] {
  const secret = 'a secret for the fuzzing only';
  const resource = '/live/abcdefgh2345';
  const query = signPlayback(secret, 'play', resource, 4_000_000_000, 'viewer-1');
  const seeds = [
    `${resource}.flv?${query}`,
    `${resource}/index.m3u8?${query}`,
    `${resource}/bcdefghi2345/v0.m3u8?${query}&_HLS_msn=12&_HLS_part=3&_HLS_skip=YES`,
    `${resource}/bcdefghi2345/12-camera2.m4s?${query}`,
    `/replay/bcdefghi2345.mp4?${query}`,
    `/replay/parts-bcdefghi2345-cdefghij3456/12-camera2.m4s?${query}`,
  ].map((text) => Buffer.from(text));
  return [
    {
      name: 'addresses and their signatures',
      seeds,
      take(input) {
        const [path = '', given = ''] = input.toString('latin1').split('?', 2);
        const target = parseTarget(path);
        if (target !== undefined && 'name' in target) parsePlaylistName(target.name);
        const found = readPlayback(secret, 'play', resource, new URLSearchParams(given), 0);
        const asked = new URLSearchParams(given);
        const good = new URLSearchParams(query);
        const same = ['expires', 'sign', 'viewer'].every((name) => asked.get(name) === good.get(name));
        if (typeof found !== 'string' && !same && Number(asked.get('expires')) !== 4_000_000_000) {
          throw new Error(`a forged signature was taken: ${given}`);
        }
      },
      allowed: never,
    },
    {
      name: 'ranges and entity tags',
      seeds: ['bytes=0-499', 'bytes=-500', 'bytes=500-', 'W/"a", "b"'].map((text) => Buffer.from(text)),
      take(input) {
        const text = input.toString('latin1');
        isKnown(text, '"b"');
        const range = parseRange(text, 10_000);
        if (range !== undefined && !(range.start >= 0 && range.start <= range.end && range.end < 10_000)) {
          throw new Error(`a range outside of the body: ${text}`);
        }
      },
      allowed: (error) => error instanceof LecternError && error.code === 'range-not-satisfiable',
    },
  ];
}

async function opus(): Promise<Target> {
  const packets = (await rtpPackets('audio')).filter((packet) => !isRtcp(packet));
  return {
    name: 'Opus',
    seeds: packets.slice(0, 20).map((packet) => packet.subarray(12)),
    take(input) {
      opusPacketInfo(input);
    },
    allowed: malformed,
  };
}

/** What a browser that encodes by itself sends, as the gateway reads it. */
async function publishRecords(): Promise<Target> {
  const seeds: Uint8Array[] = [
    encodePublishFrame({ kind: 'audio-config', codec: 'opus', data: opusHead(opusConfig(2)) }),
    encodePublishFrame({ kind: 'goodbye' }),
  ];
  for (const tag of new FlvDemuxer().readBytes(await flvFile()).slice(0, 60)) {
    const ptsUs = tag.timestampMs * 1_000;
    if (tag.type === 'audio') {
      seeds.push(encodePublishFrame({ kind: 'audio', ptsUs, data: tag.body.subarray(2) }));
      continue;
    }
    const body = tag.type === 'video' ? parseVideoBody(tag.body) : undefined;
    if (body?.type === 'frame') {
      seeds.push(encodePublishFrame({ kind: 'video', ptsUs, key: body.key, data: body.data }));
    } else if (body?.type === 'config') {
      seeds.push(encodePublishFrame({ kind: 'video-config', codec: 'h264', data: body.config.record }));
    }
  }
  return {
    name: 'records of a browser that encodes',
    seeds,
    take(input) {
      const record = decodePublishFrame(input);
      if (record.kind === 'video-config') parseAvcRecord(record.data);
      else if (record.kind === 'video') readAvcc(record.data);
      else if (record.kind === 'audio') opusPacketInfo(record.data);
      else if (record.kind === 'audio-config') {
        if (record.codec === 'opus') parseOpusHead(record.data);
        else parseAudioSpecificConfig(record.data);
      }
    },
    allowed: malformed,
  };
}

/** What WHIP and WHEP clients post, and patch. */
function sdp(): Target {
  const fragment = CHROMIUM_OFFER.split('\r\n').filter((line) => /^(m=|a=(ice|mid|candidate))/.test(line));
  return {
    name: 'SDP of WHIP and WHEP',
    seeds: [OBS_OFFER, CHROMIUM_OFFER, fragment.join('\r\n')].map((text) => Buffer.from(text)),
    take(input) {
      const text = input.toString('utf8');
      if (text.startsWith('v=0')) readOffer(text);
      else readFragment(text);
    },
    allowed: (error) => error instanceof LecternError && error.code === 'bad-request',
  };
}

/** What the SFU says of the RTP that publications send to it. */
function feedback(): Target {
  const ssrc = 0x1234;
  const nack = Buffer.alloc(20);
  nack.set([0x81, 205, 0, 4]);
  nack.writeUInt32BE(ssrc, 8);
  nack.writeUInt32BE(0x0102ffff, 12);
  const report = writeSenderReport(
    { ssrc, ntpMs: 1_700_000_000_000, rtpTimestamp: 1, packets: 2, bytes: 3 },
    'fuzz',
  );
  const pli = writePictureLoss(7, ssrc);
  return {
    name: 'RTCP feedback',
    seeds: [pli, nack, report, Buffer.concat([report, nack, pli])],
    take(input) {
      const { lost } = readFeedback(input, ssrc);
      if (lost.length > 10_000) throw new Error(`${lost.length} packets are wanted of one datagram`);
    },
    allowed: never,
  };
}

/** All targets, with their captures made. */
export async function allTargets(): Promise<Target[]> {
  return [
    await rtp('video'),
    await rtp('audio'),
    await rtmp('play'),
    await rtmp('publish'),
    ...(await flv()),
    await opus(),
    await publishRecords(),
    ...addresses(),
    sdp(),
    feedback(),
  ];
}
