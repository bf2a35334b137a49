// What a segment holds: a layer of the camera or of the screen, the still picture, or the sound. Names of
// files and the index of a recording have it as text.
import { z } from 'zod';

export const RenditionId = z.enum([
  ...(['camera0', 'camera1', 'camera2', 'screen0', 'screen1', 'screen2'] as const),
  ...(['still', 'audio'] as const),
]);
export type RenditionId = z.infer<typeof RenditionId>;

export const AUDIO = 'audio' as const satisfies RenditionId;
export const STILL = 'still' as const satisfies RenditionId;

/** One size of a picture that moves. */
export interface Layer {
  readonly source: 'camera' | 'screen';
  /** 0 is the smallest. */
  readonly layer: number;
}

export function formatRenditionId({ source, layer }: Layer): RenditionId {
  return RenditionId.parse(`${source}${layer}`);
}

/** The layer that `id` names; undefined for the still picture and the sound. */
export function parseRenditionId(id: RenditionId): Layer | undefined {
  if (id === AUDIO || id === STILL) return undefined;
  return { source: id.startsWith('camera') ? 'camera' : 'screen', layer: Number(id.at(-1)) };
}
