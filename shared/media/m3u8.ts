// Writing HLS playlists (draft-pantos-hls-rfc8216bis).

/** What both kinds of playlist take. */
export interface PlaylistOptions {
  /** The viewer's query string without `?`, appended to every URI so that signed access goes on. */
  readonly query?: string;
}

/** One quality of the picture (§4.4.6.2). */
export interface Variant {
  readonly uri: string;
  /** Peak and average bit rate of video and audio together, in bits per second. */
  readonly bandwidth: number;
  readonly averageBandwidth?: number;
  /** RFC 6381 names of everything in it, the audio group's included. */
  readonly codecs: readonly string[];
  /** Absent for sound alone. */
  readonly resolution?: { readonly width: number; readonly height: number };
  readonly frameRate?: number;
  /** The `groupId` of its sound. */
  readonly audio?: string;
}

/** One rendition of the sound (§4.4.6.1). */
export interface AudioRendition {
  readonly groupId: string;
  readonly name: string;
  /** BCP 47. */
  readonly language?: string;
  readonly isDefault: boolean;
  readonly channels: number;
  readonly uri: string;
}

export interface MultivariantPlaylist {
  readonly variants: readonly Variant[];
  readonly audio?: readonly AudioRendition[];
  /** Every segment starts with a key frame. */
  readonly independentSegments: boolean;
}

export interface PlaylistSegment {
  readonly uri: string;
  readonly durationUs: number;
  /** The init segment it needs; written where it differs from the one before. */
  readonly mapUri?: string;
  /** When its first sample was captured, in ms since 1970. */
  readonly programDateTimeMs?: number;
  /** True if timestamps or encoding do not continue those of the segment before. */
  readonly discontinuity?: boolean;
}

/** §4.4.3.8. */
export interface ServerControl {
  readonly canBlockReload?: boolean;
  readonly canSkipUntilS?: number;
  readonly holdBackS?: number;
  readonly partHoldBackS?: number;
}

export interface MediaPlaylist {
  /** Never changes during the life of a playlist; `targetDurationS` says what a segment needs. */
  readonly targetDurationS: number;
  /** Of the first segment listed. */
  readonly mediaSequence: number;
  /** How many discontinuities came before the first segment listed. */
  readonly discontinuitySequence?: number;
  /** `EVENT`: segments are only ever added. `VOD`: nothing changes. Absent: a sliding window. */
  readonly type?: 'EVENT' | 'VOD';
  readonly independentSegments?: boolean;
  readonly serverControl?: ServerControl;
  /** Where to start playing (§4.4.2.2); negative counts from the end. */
  readonly start?: { readonly offsetS: number; readonly precise: boolean };
  readonly segments: readonly PlaylistSegment[];
  /** Nothing will be added any more. */
  readonly ended: boolean;
}

/** `EXT-X-MAP` in a playlist with other than I-frames asks for version 6 (§8); nothing here needs more. */
const VERSION = 6;

/** The least `TARGETDURATION` under which a segment may stand: its length rounded (§4.4.3.1), in s. */
export function targetDurationS(durationUs: number): number {
  return Math.max(1, Math.round(durationUs / 1_000_000));
}

/** Writes the playlist that names the others. Throws RangeError if a text cannot be quoted. */
export function multivariantPlaylist(playlist: MultivariantPlaylist, options: PlaylistOptions = {}): string {
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${VERSION}`];
  if (playlist.independentSegments) lines.push('#EXT-X-INDEPENDENT-SEGMENTS');
  for (const audio of playlist.audio ?? []) {
    lines.push(
      tag('EXT-X-MEDIA', {
        TYPE: 'AUDIO',
        'GROUP-ID': quoted(audio.groupId),
        NAME: quoted(audio.name),
        LANGUAGE: audio.language === undefined ? undefined : quoted(audio.language),
        DEFAULT: audio.isDefault ? 'YES' : 'NO',
        AUTOSELECT: 'YES',
        CHANNELS: quoted(String(audio.channels)),
        URI: quoted(address(audio.uri, options)),
      }),
    );
  }
  for (const variant of playlist.variants) {
    const { resolution } = variant;
    lines.push(
      tag('EXT-X-STREAM-INF', {
        BANDWIDTH: integer(variant.bandwidth),
        'AVERAGE-BANDWIDTH':
          variant.averageBandwidth === undefined ? undefined : integer(variant.averageBandwidth),
        CODECS: quoted(variant.codecs.join(',')),
        RESOLUTION: resolution && `${integer(resolution.width)}x${integer(resolution.height)}`,
        'FRAME-RATE': variant.frameRate?.toFixed(3),
        AUDIO: variant.audio === undefined ? undefined : quoted(variant.audio),
      }),
      address(variant.uri, options),
    );
  }
  return lines.join('\n') + '\n';
}

/** Writes a media playlist. Throws RangeError if a text cannot be quoted. */
export function mediaPlaylist(playlist: MediaPlaylist, options: PlaylistOptions = {}): string {
  const lines = [
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSION}`,
    `#EXT-X-TARGETDURATION:${integer(playlist.targetDurationS)}`,
  ];
  if (playlist.independentSegments) lines.push('#EXT-X-INDEPENDENT-SEGMENTS');
  const { start, serverControl } = playlist;
  if (start) {
    lines.push(
      tag('EXT-X-START', { 'TIME-OFFSET': seconds(start.offsetS), PRECISE: start.precise ? 'YES' : 'NO' }),
    );
  }
  if (serverControl) {
    lines.push(
      tag('EXT-X-SERVER-CONTROL', {
        'CAN-BLOCK-RELOAD': serverControl.canBlockReload ? 'YES' : undefined,
        'CAN-SKIP-UNTIL': optionalSeconds(serverControl.canSkipUntilS),
        'HOLD-BACK': optionalSeconds(serverControl.holdBackS),
        'PART-HOLD-BACK': optionalSeconds(serverControl.partHoldBackS),
      }),
    );
  }
  lines.push(`#EXT-X-MEDIA-SEQUENCE:${integer(playlist.mediaSequence)}`);
  if (playlist.discontinuitySequence) {
    lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${integer(playlist.discontinuitySequence)}`);
  }
  if (playlist.type) lines.push(`#EXT-X-PLAYLIST-TYPE:${playlist.type}`);
  let mapUri: string | undefined;
  for (const segment of playlist.segments) {
    pushSegment(lines, segment, mapUri, options);
    mapUri = segment.mapUri ?? mapUri;
  }
  if (playlist.ended) lines.push('#EXT-X-ENDLIST');
  return lines.join('\n') + '\n';
}

function pushSegment(
  lines: string[],
  segment: PlaylistSegment,
  previousMapUri: string | undefined,
  options: PlaylistOptions,
): void {
  if (segment.discontinuity) lines.push('#EXT-X-DISCONTINUITY');
  if (segment.mapUri !== undefined && segment.mapUri !== previousMapUri) {
    lines.push(tag('EXT-X-MAP', { URI: quoted(address(segment.mapUri, options)) }));
  }
  if (segment.programDateTimeMs !== undefined) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.programDateTimeMs).toISOString()}`);
  }
  lines.push(`#EXTINF:${seconds(segment.durationUs / 1_000_000)},`, address(segment.uri, options));
}

/** An attribute list (§4.2); what is undefined is left out. */
function tag(name: string, attributes: Record<string, string | undefined>): string {
  const list = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  return `#${name}:${list.join(',')}`;
}

function address(uri: string, { query }: PlaylistOptions): string {
  if (/[\r\n]/.test(uri) || (query !== undefined && /[\r\n#]/.test(query))) {
    throw new RangeError('a line break in a playlist');
  }
  if (!query) return uri;
  return uri + (uri.includes('?') ? '&' : '?') + query;
}

function quoted(text: string): string {
  if (/["\r\n]/.test(text)) throw new RangeError('a quoted string cannot hold quotes or line breaks');
  return `"${text}"`;
}

function integer(value: number): string {
  return String(Math.round(value));
}

/** Microseconds are kept, trailing zeros are not. */
function seconds(value: number): string {
  return value.toFixed(6).replace(/(\.\d{3}\d*?)0+$/, '$1');
}

function optionalSeconds(value: number | undefined): string | undefined {
  return value === undefined ? undefined : seconds(value);
}
