// What a peer can publish, and which permission each source asks for. `encoder` and `encoder-audio` come
// from a program outside (RTMP, WHIP, …), which is a peer of the room while it publishes.
import { z } from 'zod';

export const Source = z.enum(['camera', 'microphone', 'screen', 'screen-audio', 'encoder', 'encoder-audio']);
export type Source = z.infer<typeof Source>;

/** The peer id of the program outside; no ticket is let in with it. */
export const ENCODER_ID = 'encoder-of-this-room';

/** What a person's own tab publishes over signalling. */
export const TabSource = Source.exclude(['encoder', 'encoder-audio']);
export type TabSource = z.infer<typeof TabSource>;

/** What publishing asks for. */
type PublishPermission = 'publish:camera' | 'publish:microphone' | 'publish:screen';

export const SOURCES: Readonly<Record<Source, { kind: 'audio' | 'video'; permission: PublishPermission }>> = {
  camera: { kind: 'video', permission: 'publish:camera' },
  microphone: { kind: 'audio', permission: 'publish:microphone' },
  screen: { kind: 'video', permission: 'publish:screen' },
  'screen-audio': { kind: 'audio', permission: 'publish:screen' },
  encoder: { kind: 'video', permission: 'publish:screen' },
  'encoder-audio': { kind: 'audio', permission: 'publish:screen' },
};
