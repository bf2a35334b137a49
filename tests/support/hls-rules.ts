// The rules of HLS playlists that Apple's validator would check (draft-pantos-hls-rfc8216bis §4.4 and §6.2),
// for one playlist by itself and for what it was before: what was said once stays so.

export interface SeenPart {
  readonly uri: string;
  readonly durationS: number;
  readonly independent: boolean;
}

export interface SeenSegment {
  readonly n: number;
  /** Undefined while it is not complete. */
  readonly uri: string | undefined;
  readonly durationS: number | undefined;
  readonly map: string | undefined;
  readonly key: string | undefined;
  readonly dateTime: string | undefined;
  /** How many discontinuities come before its media, since the beginning. */
  readonly discontinuities: number;
  readonly parts: readonly SeenPart[];
}

export interface SeenPlaylist {
  readonly version: number;
  readonly targetS: number;
  readonly partTargetS: number | undefined;
  readonly control: Readonly<Record<string, string>>;
  readonly mediaSequence: number;
  readonly type: string | undefined;
  readonly skipped: number;
  readonly segments: readonly SeenSegment[];
  readonly hint: string | undefined;
  readonly reports: readonly Readonly<Record<string, string>>[];
  readonly ended: boolean;
}

/** An attribute list (§4.2) as it is written; quotes are taken off. */
export function attributes(list: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = '', quoted, plain] of list.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))/g)) {
    found[name] = quoted ?? plain ?? '';
  }
  return found;
}

/** Reads a media playlist. Throws Error for what no player would take. */
export function readPlaylist(text: string): SeenPlaylist {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines[0] !== '#EXTM3U') throw new Error('no #EXTM3U');
  const value = (name: string) => lines.find((line) => line.startsWith(`#${name}:`))?.slice(name.length + 2);
  const mediaSequence = Number(value('EXT-X-MEDIA-SEQUENCE') ?? 0);
  const segments: SeenSegment[] = [];
  let discontinuities = Number(value('EXT-X-DISCONTINUITY-SEQUENCE') ?? 0);
  let skipped = 0;
  let map: string | undefined;
  let key: string | undefined;
  let mapKey: string | undefined;
  let dateTime: string | undefined;
  let durationS: number | undefined;
  let hint: string | undefined;
  let parts: SeenPart[] = [];
  const reports: Record<string, string>[] = [];
  const push = (uri: string | undefined) => {
    const n = mediaSequence + skipped + segments.length;
    if (mapKey !== undefined) throw new Error('an init segment under a key without IV');
    segments.push({ n, uri, durationS, map, key, dateTime, discontinuities, parts });
    dateTime = undefined;
    durationS = undefined;
    parts = [];
  };
  for (const line of lines) {
    const [, name = '', rest = ''] = /^#(EXT[A-Z0-9-]*):?(.*)$/.exec(line) ?? [];
    if (!line.startsWith('#')) push(line);
    else if (name === 'EXTINF') durationS = Number.parseFloat(rest);
    else if (name === 'EXT-X-DISCONTINUITY') discontinuities += 1;
    else if (name === 'EXT-X-PROGRAM-DATE-TIME') dateTime = rest;
    else if (name === 'EXT-X-MAP') {
      map = attributes(rest).URI;
      mapKey = key;
    } else if (name === 'EXT-X-KEY') {
      const { METHOD, URI } = attributes(rest);
      key = METHOD === 'NONE' ? undefined : `${METHOD} ${URI}`;
    } else if (name === 'EXT-X-SKIP') skipped = Number(attributes(rest)['SKIPPED-SEGMENTS']);
    else if (name === 'EXT-X-PART') {
      const { URI = '', DURATION, INDEPENDENT } = attributes(rest);
      parts.push({ uri: URI, durationS: Number(DURATION), independent: INDEPENDENT === 'YES' });
    } else if (name === 'EXT-X-PRELOAD-HINT') hint = attributes(rest).URI;
    else if (name === 'EXT-X-RENDITION-REPORT') reports.push(attributes(rest));
  }
  if (parts.length > 0) push(undefined);
  const partTarget = attributes(value('EXT-X-PART-INF') ?? '')['PART-TARGET'];
  return {
    version: Number(value('EXT-X-VERSION') ?? 1),
    targetS: Number(value('EXT-X-TARGETDURATION')),
    partTargetS: partTarget === undefined ? undefined : Number(partTarget),
    control: attributes(value('EXT-X-SERVER-CONTROL') ?? ''),
    mediaSequence,
    type: value('EXT-X-PLAYLIST-TYPE'),
    skipped,
    segments,
    hint,
    reports,
    ended: lines.includes('#EXT-X-ENDLIST'),
  };
}

/** What is wrong with one playlist by itself. */
export function faults(playlist: SeenPlaylist): string[] {
  const found: string[] = [];
  const expect = (isRight: boolean, what: string) => {
    if (!isRight) found.push(what);
  };
  const { targetS, partTargetS, control, segments, ended, skipped } = playlist;
  const seconds = (name: string) => (control[name] === undefined ? Number.NaN : Number(control[name]));
  expect(Number.isInteger(targetS) && targetS > 0, 'TARGETDURATION is no whole number');
  expect(playlist.mediaSequence >= 1, 'MEDIA-SEQUENCE below 1');
  if (partTargetS !== undefined) {
    expect(control['CAN-BLOCK-RELOAD'] === 'YES', 'parts without CAN-BLOCK-RELOAD');
    expect(seconds('PART-HOLD-BACK') >= 3 * partTargetS - 1e-9, 'PART-HOLD-BACK below three parts');
  }
  expect(!(seconds('HOLD-BACK') < 3 * targetS), 'HOLD-BACK below three target durations');
  expect(!(seconds('CAN-SKIP-UNTIL') < 6 * targetS), 'CAN-SKIP-UNTIL below six target durations');
  expect(skipped === 0 || playlist.version >= 9, 'a delta update needs version 9');
  for (const { n, uri, durationS = 0, map, dateTime, parts } of segments) {
    if (uri !== undefined) expect(Math.round(durationS) <= targetS, `segment ${n} lasts ${durationS} s`);
    expect(map !== undefined, `segment ${n} has no MAP`);
    expect(dateTime !== undefined, `segment ${n} has no PROGRAM-DATE-TIME`);
    for (const [index, part] of parts.entries()) {
      expect(part.durationS > 0, `part ${n}.${index} lasts ${part.durationS} s`);
      expect(part.durationS <= (partTargetS ?? 0) + 1e-9, `part ${n}.${index} lasts ${part.durationS} s`);
    }
  }
  // Parts are named for the last three target durations; older ones are gone.
  let behindS = 0;
  for (const { n, parts, durationS = 0 } of segments.toReversed()) {
    expect(parts.length === 0 || behindS <= 3 * targetS, `parts of segment ${n}, ${behindS} s from the end`);
    behindS += durationS;
  }
  expect(!ended || (playlist.hint === undefined && segments.at(-1)?.uri !== undefined), 'more after the end');
  if (partTargetS !== undefined && !ended) expect(playlist.hint !== undefined, 'no PRELOAD-HINT');
  return found;
}

/** Segments that continue nothing and begin with no key frame: players show nothing until the next one. */
export const blindStarts = ({ segments }: SeenPlaylist): number[] =>
  segments.flatMap(({ n, map, discontinuities, parts: [first] }, index) => {
    const before = segments[index - 1];
    const isNew = before !== undefined && before.discontinuities !== discontinuities && before.map !== map;
    return isNew && first?.independent === false ? [n] : [];
  });

/** All versions of one playlist in their turn. */
export class PlaylistHistory {
  readonly #segments = new Map<number, SeenSegment>();
  #last: SeenPlaylist | undefined;

  get last(): SeenPlaylist | undefined {
    return this.#last;
  }

  /** All segments and parts that were ever seen. */
  get segments(): ReadonlyMap<number, SeenSegment> {
    return this.#segments;
  }

  /** What was begun from segment `n` on was lost. */
  forget(n: number): void {
    for (const known of this.#segments.keys()) if (known >= n) this.#segments.delete(known);
    this.#last = undefined;
  }

  /** Takes the next version; returns what is wrong with it. */
  see(text: string): string[] {
    const playlist = readPlaylist(text);
    const found = faults(playlist);
    const before = this.#last;
    this.#last = playlist;
    if (before !== undefined) {
      if (playlist.targetS !== before.targetS) found.push('TARGETDURATION changed');
      if (!playlist.ended && playlist.partTargetS !== before.partTargetS) found.push('PART-TARGET changed');
      if (playlist.mediaSequence < before.mediaSequence) found.push('MEDIA-SEQUENCE went back');
      if (before.ended && !playlist.ended) found.push('it goes on after its end');
      if (playlist.type === 'EVENT' && playlist.mediaSequence !== before.mediaSequence)
        found.push('an EVENT lost segments');
      const end = (one: SeenPlaylist) => one.segments.at(-1)?.n ?? 0;
      if (end(playlist) < end(before) && !playlist.ended) found.push('the end went back');
    }
    for (const segment of playlist.segments) {
      const known = this.#segments.get(segment.n);
      if (known !== undefined) found.push(...changes(known, segment));
      // Parts that are no longer named stay known.
      const parts = segment.parts.length > 0 ? segment.parts : (known?.parts ?? []);
      this.#segments.set(segment.n, { ...segment, parts });
    }
    return found;
  }
}

/** An address without its signature, which may be another one each time. */
const bare = <T>(value: T) => (typeof value === 'string' ? value.replace(/\?.*/, '') : value);

function changes(before: SeenSegment, now: SeenSegment): string[] {
  const found: string[] = [];
  const same = (what: Exclude<keyof SeenSegment, 'parts'>) => {
    if (bare(before[what]) !== bare(now[what]))
      found.push(`${what} of segment ${now.n}: ${before[what]} → ${now[what]}`);
  };
  same('map');
  same('discontinuities');
  same('dateTime');
  if (before.uri !== undefined) {
    same('uri');
    same('durationS');
    if (now.parts.length > before.parts.length) found.push(`segment ${now.n} got parts when it was complete`);
  }
  if (now.parts.length > 0 && now.parts.length < before.parts.length)
    found.push(`segment ${now.n} lost parts`);
  for (const [index, part] of now.parts.entries()) {
    const known = before.parts[index];
    const asText = (one: SeenPart) => JSON.stringify({ ...one, uri: bare(one.uri) });
    if (known !== undefined && asText(known) !== asText(part)) {
      found.push(`part ${now.n}.${index} changed: ${JSON.stringify(known)} → ${JSON.stringify(part)}`);
    }
  }
  return found;
}

/** The rows of renditions belong together: the same discontinuities before the same segment. */
export function disagreements(histories: readonly PlaylistHistory[]): string[] {
  const [first, ...others] = histories;
  return [...(first?.segments.values() ?? [])].flatMap(({ n, discontinuities }) =>
    others.flatMap(({ segments }) => {
      const other = segments.get(n)?.discontinuities;
      return other === undefined || other === discontinuities
        ? []
        : [`segment ${n}: ${discontinuities} ≠ ${other}`];
    }),
  );
}
