// The programme: what of all that is published goes to the audience. One picture, all the voices.
import type { ProducerView } from '#shared/contract/features/stage.ts';
import type { Teaching } from '#shared/contract/internal.ts';
import type { Role } from '#shared/domain/roles.ts';
import type { FeedSource } from '../../ports.ts';

/** The most audio sources that are sent; the teachers' come first. */
const MAX_AUDIO = 8;
const RANK: Readonly<Record<Role, number>> = { teacher: 0, assistant: 1, student: 2, auditor: 3 };

const isStaff = (role: Role) => role === 'teacher' || role === 'assistant';

/**
 * What those who teach do: `connected` is everyone whose link stands, `encoder` whether a program outside
 * sends. A student who speaks on stage is no break either.
 */
export function teachingOf(
  producers: readonly ProducerView[],
  connected: readonly ProgrammePeer[],
  encoder: boolean,
): Teaching {
  if (encoder) return 'sending';
  if (!connected.some(({ role }) => isStaff(role))) return 'away';
  const theirs = producers.filter(({ peerId }) => connected.some(({ id }) => id === peerId));
  const heard = new Set(chooseProgramme(theirs, connected, '').map(({ producerId }) => producerId));
  return theirs.some(({ id, paused }) => heard.has(id) && !paused) ? 'sending' : 'break';
}

export interface ProgrammePeer {
  readonly id: string;
  readonly role: Role;
  readonly joinedAtMs: number;
}

/**
 * Chooses the programme. Pictures come from teachers and assistants only, first from who started the
 * broadcast, then by role and time of joining; an encoder's picture goes before a shared screen and that
 * before any camera, and a paused picture is no picture. A muted microphone stays in, silent, so that
 * unmuting changes nothing; the encoder's sound comes first of all.
 */
export function chooseProgramme(
  producers: readonly ProducerView[],
  peers: readonly ProgrammePeer[],
  startedBy: string,
): FeedSource[] {
  const order = [...peers].sort(
    (a, b) =>
      Number(b.id === startedBy) - Number(a.id === startedBy) ||
      RANK[a.role] - RANK[b.role] ||
      a.joinedAtMs - b.joinedAtMs,
  );
  const inOrder = order.flatMap((peer) => producers.filter((producer) => producer.peerId === peer.id));
  const staff = new Set(order.filter(({ role }) => isStaff(role)).map(({ id }) => id));
  const videos = inOrder.filter(({ peerId, paused }) => staff.has(peerId) && !paused);
  const video =
    // The encoder is no person: who may publish it was decided by its key.
    producers.find(({ source, paused }) => source === 'encoder' && !paused) ??
    videos.find(({ source }) => source === 'screen') ??
    videos.find(({ source }) => source === 'camera');
  const voices = [
    ...producers.filter(({ source }) => source === 'encoder-audio'),
    ...inOrder.filter(({ source }) => source === 'microphone' || source === 'screen-audio'),
  ];
  return [...(video === undefined ? [] : [video]), ...voices.slice(0, MAX_AUDIO)].map(
    ({ id, source, paused }) => ({ producerId: id, source, ...(paused ? { paused } : {}) }),
  );
}
