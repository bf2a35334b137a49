// Films as encoders send them the enhanced way ("Enhanced RTMP v2"): a codec by its four characters.
import { execFileSync } from 'node:child_process';
import { mediaFile } from '../../support/media-file.ts';
import { hevc } from './films.ts';

const PICTURE = '-f lavfi -i testsrc2=size=640x360:rate=25 -t 8 -pix_fmt yuv420p';

/** By its name in enhanced RTMP: the film, and the box of MP4 that has its configuration. */
const FILMS = {
  hvc1: { film: hevc, box: 'hvcC' },
  av01: {
    film: () => mediaFile('publish-av1', `${PICTURE} -c:v libaom-av1 -usage realtime -cpu-used 8 -g 25`),
    box: 'av1C',
  },
  vp09: {
    film: () => mediaFile('publish-vp9', `${PICTURE} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25`),
    box: 'vpcC',
  },
} as const;

export interface Message {
  readonly ms: number;
  readonly body: Uint8Array;
}

/** The configuration, then access units; those of HEVC with their composition time. */
export function enhanced(fourCc: keyof typeof FILMS): Message[] {
  const { film, box } = FILMS[fourCc];
  const input = ['-v', 'error', '-i', film(), '-map', '0:v', '-c', 'copy', '-f', 'mp4', '-movflags'];
  const maxBuffer = 64 * 1024 * 1024;
  const flags = 'frag_every_frame+empty_moov+default_base_moof';
  const file = execFileSync('ffmpeg', [...input, flags, 'pipe:1'], { maxBuffer });
  const show = ['-v', 'error', '-select_streams', 'v', '-show_packets', '-of', 'json', '-'];
  const list = JSON.parse(execFileSync('ffprobe', show, { input: file, maxBuffer }).toString()) as {
    packets: { pts_time: string; dts_time: string; pos: string; size: string; flags: string }[];
  };
  const at = file.indexOf(box);
  const record = file.subarray(at + 4, at - 4 + file.readUInt32BE(at - 4));
  const first = Number(list.packets[0]?.dts_time ?? 0);
  const name = Buffer.from(fourCc);
  const units = list.packets.map(({ pts_time, dts_time, pos, size, flags: packetFlags }) => {
    const composition = Buffer.alloc(fourCc === 'hvc1' ? 3 : 0);
    const shiftMs = Math.round((Number(pts_time) - Number(dts_time)) * 1_000);
    if (composition.length > 0) composition.writeIntBE(shiftMs, 0, 3);
    const data = file.subarray(Number(pos), Number(pos) + Number(size));
    const head = Buffer.from([packetFlags.startsWith('K') ? 0x91 : 0xa1]);
    const ms = Math.round((Number(dts_time) - first) * 1_000);
    return { ms, body: Buffer.concat([head, name, composition, data]) };
  });
  return [{ ms: 0, body: Buffer.concat([Buffer.from([0x90]), name, record]) }, ...units];
}
