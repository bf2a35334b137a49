// Who stands where: the content largest, the teacher floating over it, the others in a row. Pure.
import type { Source } from '#shared/domain/sources.ts';
import type { PeerView, RemoteMedia } from '../../state/room.svelte.ts';

interface Sender {
  readonly peerId: string;
  readonly source: Source;
  readonly paused: boolean;
}

/** One picture on the stage, or the place of one. */
export interface Shown {
  /** Stable while the same person shows the same thing. */
  readonly key: string;
  readonly source: 'camera' | 'screen' | 'encoder';
  readonly name: string;
  readonly own: boolean;
  readonly track: MediaStreamTrack | null;
  /** False: a name instead of a picture. */
  readonly picture: boolean;
  /** Undefined: no microphone is sent. */
  readonly muted: boolean | undefined;
}

export interface Arrangement {
  readonly main: Shown | null;
  readonly floating: Shown | null;
  readonly others: readonly Shown[];
}

/** What this tab itself shows. */
export interface Own {
  readonly you: string;
  readonly camera: MediaStreamTrack | null;
  readonly screen: MediaStreamTrack | null;
}

/** Arranges the stage: an encoder's picture first, then a shared screen, else the teacher, else anyone who shows a picture. */
export function arrange(
  peers: readonly PeerView[],
  producers: readonly Sender[],
  media: readonly RemoteMedia[],
  own: Own,
): Arrangement {
  const encoders: Shown[] = [];
  const screens: Shown[] = [];
  const people: (Shown & { readonly teacher: boolean })[] = [];
  // People who lost the connection leave a frozen picture: it goes behind those that move.
  const inOrder = [...peers].sort((a, b) => Number(a.state === 'away') - Number(b.state === 'away'));
  for (const peer of inOrder) {
    const mine = peer.id === own.you;
    const sends = (source: Sender['source']) =>
      producers.find((producer) => producer.peerId === peer.id && producer.source === source);
    const gets = (source: Sender['source']) => media.find((one) => one.key === `${peer.id}:${source}`);
    const microphone = sends('microphone');
    const muted = microphone?.paused;
    const camera = mine ? own.camera : (gets('camera')?.track ?? null);
    const cameraOn = mine ? own.camera !== null : gets('camera')?.paused === false;
    const screen = mine ? own.screen : (gets('screen')?.track ?? null);
    if (mine ? own.screen !== null : gets('screen') !== undefined) {
      screens.push({
        key: `${peer.id}:screen`,
        source: 'screen',
        name: peer.name,
        own: mine,
        track: screen,
        picture: true,
        muted: undefined,
      });
    }
    const encoder = gets('encoder');
    // One that sends nothing now leaves the stage to the people.
    if (encoder?.paused === false) {
      encoders.push({
        key: encoder.key,
        source: 'encoder',
        name: peer.name,
        own: false,
        track: encoder.track,
        picture: true,
        muted: undefined,
      });
    }
    // On stage is who sends something; a teacher is shown even in silence.
    if (cameraOn || microphone !== undefined || gets('camera') !== undefined) {
      people.push({
        key: `${peer.id}:camera`,
        source: 'camera',
        name: peer.name,
        own: mine,
        track: camera,
        picture: cameraOn,
        muted,
        teacher: peer.role === 'teacher',
      });
    }
  }
  // Someone else's screen before one's own, which needs no watching.
  const content = encoders[0] ?? screens.find((one) => !one.own) ?? screens[0];
  const lead =
    people.find((one) => one.teacher && one.picture) ??
    people.find((one) => one.picture) ??
    people.find((one) => one.teacher) ??
    people[0];
  if (content !== undefined) {
    const others = [
      ...[...encoders, ...screens].filter((one) => one !== content),
      ...people.filter((one) => one !== lead),
    ];
    return { main: content, floating: lead?.picture === true ? lead : null, others };
  }
  return { main: lead ?? null, floating: null, others: people.filter((one) => one !== lead) };
}
