// One part of a segment, out of memory: at once if it is there, and as soon as it is complete if it is the
// one that comes next, as playlists announce it (EXT-X-PRELOAD-HINT).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LecternError } from '#shared/contract/errors.ts';
import type { SegmentLog } from '../store/segment-log.ts';
import type { PartName } from '../store/segment-timeline.ts';
import { memoryBody, sendRanged } from '../servers/http/http-media.ts';
import { AUDIO } from './rendition-id.ts';

type Place = 'there' | 'to come' | 'nowhere';

/**
 * Sends the part `name`, which is that at `at`; returns the bytes sent. Throws LecternError `not-found` if there is none and none
 * will be, and `service-unavailable` if too many wait.
 */
export async function sendPart(
  request: IncomingMessage,
  response: ServerResponse,
  recording: SegmentLog,
  name: string,
  at: PartName,
): Promise<number> {
  if (at.run !== recording.edge.run) throw new LecternError('not-found');
  if (placeOf(recording, at) === 'to come') {
    await recording.edge.until(name, () => placeOf(recording, at) !== 'to come');
  }
  if (response.destroyed) return 0;
  const pieces = placeOf(recording, at) === 'there' ? recording.inMemory(name) : undefined;
  if (pieces === undefined) throw new LecternError('not-found');
  return sendRanged(request, response, memoryBody(pieces), {
    'content-type': at.label === AUDIO ? 'audio/mp4' : 'video/mp4',
    'cache-control': 'public, max-age=31536000, immutable',
  });
}

function placeOf({ timeline, edge, isOver }: SegmentLog, { n, label, index }: PartName): Place {
  const { nextRow } = timeline;
  const segment = edge.segment(n, label);
  if (segment !== undefined && index < segment.parts.length) return 'there';
  if (isOver || n < nextRow) return 'nowhere';
  if (n === nextRow) {
    // Before there is a plan, what a row begins with is a guess.
    if (edge.plan === undefined) return index === 0 ? 'to come' : 'nowhere';
    if (segment === undefined || segment.isFinished) return 'nowhere';
    return index === segment.parts.length ? 'to come' : 'nowhere';
  }
  const isNext = n === nextRow + 1 && index === 0 && edge.segment(nextRow, label)?.isFinished === true;
  return isNext ? 'to come' : 'nowhere';
}
