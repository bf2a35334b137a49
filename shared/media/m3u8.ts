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

/** A part of a segment (§4.4.4.9). */
export interface PlaylistPart {
  readonly uri: string;
  readonly durationUs: number;
  /** It begins with a picture that needs no other, or is sound. */
  readonly independent: boolean;
}

/** What stands before a segment's own line, or before the parts of one that is not complete. */
export interface SegmentHead {
  /** The init segment it needs; written where it differs from the one before. */
  readonly mapUri?: string;
  /** When its first sample was captured, in ms since 1970. */
  readonly programDateTimeMs?: number;
  /** True if timestamps or encoding do not continue those of the segment before. */
  readonly discontinuity?: boolean;
  /** Those that are still named one by one. */
  readonly parts?: readonly PlaylistPart[];
}

export interface PlaylistSegment extends SegmentHead {
  readonly uri: string;
  readonly durationUs: number;
  /** Its media are lost: players are not to ask for it (§4.4.4.7). */
  readonly isGap?: boolean;
}

/** How far another rendition has come (§4.4.5.4). */
export interface RenditionReport {
  readonly uri: string;
  readonly lastSegment: number;
  readonly lastPart?: number;
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
  /** The longest part (§4.4.3.7); absent where there are none. */
  readonly partTargetS?: number;
  /** Where the key to the segments is found, if they are encrypted as a whole (§4.4.4.4, AES-128). */
  readonly keyUri?: string;
  /** How many segments a delta update leaves out before `segments` (§4.4.5.2). */
  readonly skipped?: number;
  readonly segments: readonly PlaylistSegment[];
  /** The segment that is being filled, if it has parts. */
  readonly growing?: SegmentHead;
  /** The part that comes next (§4.4.5.3). */
  readonly hintUri?: string;
  readonly reports?: readonly RenditionReport[];
  /** Nothing will be added any more. */
  readonly ended: boolean;
}

/** `EXT-X-MAP` in a playlist with other than I-frames asks for version 6, and `EXT-X-SKIP` for 9 (§8). */
const VERSION = 6;
const DELTA_VERSION = 9;

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
    `#EXT-X-VERSION:${playlist.serverControl?.canSkipUntilS === undefined ? VERSION : DELTA_VERSION}`,
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
  if (playlist.partTargetS !== undefined) {
    lines.push(tag('EXT-X-PART-INF', { 'PART-TARGET': seconds(playlist.partTargetS) }));
  }
  lines.push(`#EXT-X-MEDIA-SEQUENCE:${integer(playlist.mediaSequence)}`);
  if (playlist.discontinuitySequence) {
    lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${integer(playlist.discontinuitySequence)}`);
  }
  if (playlist.type) lines.push(`#EXT-X-PLAYLIST-TYPE:${playlist.type}`);
  pushSegments(lines, playlist, options);
  if (playlist.ended) lines.push('#EXT-X-ENDLIST');
  else pushOutlook(lines, playlist, options);
  return lines.join('\n') + '\n';
}

function pushSegments(lines: string[], playlist: MediaPlaylist, options: PlaylistOptions): void {
  const { keyUri, skipped = 0, segments, growing } = playlist;
  if (skipped > 0) lines.push(tag('EXT-X-SKIP', { 'SKIPPED-SEGMENTS': integer(skipped) }));
  const key = keyUri === undefined ? undefined : quoted(address(keyUri, options));
  // Said again behind what a delta update leaves out: not every client carries them over.
  let mapUri: string | undefined;
  let isLocked = skipped > 0;
  for (const segment of [...segments, ...(growing ? [growing] : [])]) {
    if (segment.discontinuity) lines.push('#EXT-X-DISCONTINUITY');
    if (segment.mapUri !== undefined && segment.mapUri !== mapUri) {
      // A key would hold for the init segment too, which is not encrypted.
      if (key !== undefined && isLocked) lines.push(tag('EXT-X-KEY', { METHOD: 'NONE' }));
      lines.push(tag('EXT-X-MAP', { URI: quoted(address(segment.mapUri, options)) }));
      if (key !== undefined) lines.push(tag('EXT-X-KEY', { METHOD: 'AES-128', URI: key }));
      mapUri = segment.mapUri;
      isLocked = true;
    }
    pushSegment(lines, segment, options);
  }
}

/** What is known of things to come, and of the other renditions. */
function pushOutlook(lines: string[], { hintUri, reports }: MediaPlaylist, options: PlaylistOptions): void {
  if (hintUri !== undefined) {
    lines.push(tag('EXT-X-PRELOAD-HINT', { TYPE: 'PART', URI: quoted(address(hintUri, options)) }));
  }
  for (const { uri, lastSegment, lastPart } of reports ?? []) {
    lines.push(
      tag('EXT-X-RENDITION-REPORT', {
        URI: quoted(address(uri, options)),
        'LAST-MSN': integer(lastSegment),
        'LAST-PART': lastPart === undefined ? undefined : integer(lastPart),
      }),
    );
  }
}

function pushSegment(
  lines: string[],
  segment: SegmentHead | PlaylistSegment,
  options: PlaylistOptions,
): void {
  if (segment.programDateTimeMs !== undefined) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.programDateTimeMs).toISOString()}`);
  }
  for (const { uri, durationUs, independent } of segment.parts ?? []) {
    lines.push(
      tag('EXT-X-PART', {
        DURATION: seconds(durationUs / 1_000_000),
        URI: quoted(address(uri, options)),
        INDEPENDENT: independent ? 'YES' : undefined,
      }),
    );
  }
  if (!('uri' in segment)) return;
  if (segment.isGap === true) lines.push('#EXT-X-GAP');
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
