// Joins the parts of a class with the browser; its own chunk, loaded with the classroom page.
import type { Api } from '../engine/api.ts';
import { Devices } from '../engine/devices.ts';
import type { CreateFeature } from '../engine/feature.ts';
import { browserEncoder } from '../platform/encoding/browser-encoder.ts';
import { browserDevices } from '../platform/media-devices.ts';
import { browserNetwork } from '../platform/network.ts';
import { chooseSpeaker, measureLevel, playTestSound } from '../platform/sound.ts';
import { rememberedStore, tabStore } from '../platform/stores.ts';
import { ClassroomState, type Notice } from './classroom.svelte.ts';
import { DevicesState } from './devices.svelte.ts';

/** Makes the state of one class, with these features of its room, and opens it; the caller closes it. */
export function openClassroom(
  api: Api,
  lessonId: string,
  invite: string,
  features: readonly CreateFeature[],
  onNotice: (notice: Notice) => void,
): ClassroomState {
  const devices = new Devices(browserDevices(), rememberedStore);
  const state = new ClassroomState(
    lessonId,
    invite,
    {
      api,
      devices,
      network: browserNetwork,
      encoder: browserEncoder,
      features,
      remembered: rememberedStore,
      tab: tabStore,
    },
    new DevicesState(devices, { measureLevel, playTestSound, chooseSpeaker }),
    onNotice,
  );
  void state.open();
  return state;
}
