// What a peer can publish, and which permission each source asks for.
import { z } from 'zod';
import type { Permission } from './permissions.ts';

export const Source = z.enum(['camera', 'microphone', 'screen', 'screen-audio']);
export type Source = z.infer<typeof Source>;

export const SOURCES: Readonly<Record<Source, { kind: 'audio' | 'video'; permission: Permission }>> = {
  camera: { kind: 'video', permission: 'publish:camera' },
  microphone: { kind: 'audio', permission: 'publish:microphone' },
  screen: { kind: 'video', permission: 'publish:screen' },
  'screen-audio': { kind: 'audio', permission: 'publish:screen' },
};
