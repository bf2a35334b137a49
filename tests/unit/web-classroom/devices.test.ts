// Cameras and microphones as people have them: remembered, denied, pulled out and plugged in again.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Devices } from '../../../web/engine/devices.ts';
import {
  DeviceError,
  type CaptureKind,
  type DeviceInfo,
  type MediaDevicesPort,
  type StorePort,
} from '../../../web/engine/ports.ts';

/** A desk with devices on it. */
class Desk implements MediaDevicesPort {
  readonly canShareScreen = true;
  readonly canChooseSpeaker = true;
  plugged: DeviceInfo[] = [
    { id: 'cam-built-in', kind: 'camera', label: 'Built-in' },
    { id: 'cam-usb', kind: 'camera', label: 'USB' },
    { id: 'mic-1', kind: 'microphone', label: 'Microphone' },
  ];
  denied = new Set<CaptureKind>();
  opened: { id: string; track: FakeTrack }[] = [];
  #listeners = new Set<() => void>();

  enumerate() {
    return Promise.resolve(this.plugged);
  }

  async open(kind: CaptureKind, deviceId?: string): Promise<MediaStreamTrack> {
    await sleep(1);
    if (this.denied.has(kind)) throw new DeviceError('denied');
    const device = this.plugged.find(
      (one) => one.kind === kind && (deviceId === undefined || one.id === deviceId),
    );
    if (device === undefined) throw new DeviceError('missing');
    const track = new FakeTrack(device.id);
    this.opened.push({ id: device.id, track });
    return track as unknown as MediaStreamTrack;
  }

  openScreen() {
    return Promise.reject(new DeviceError('dismissed'));
  }

  permission(kind: CaptureKind) {
    return Promise.resolve(this.denied.has(kind) ? ('denied' as const) : ('granted' as const));
  }

  onChange(listener: () => void) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get watched() {
    return this.#listeners.size > 0;
  }

  change() {
    for (const listener of this.#listeners) listener();
  }

  unplug(id: string) {
    this.plugged = this.plugged.filter((device) => device.id !== id);
    for (const one of this.opened) if (one.id === id) one.track.end();
    this.change();
  }

  get lit() {
    return this.opened.filter(({ track }) => track.readyState === 'live').map(({ id }) => id);
  }
}

class FakeTrack {
  readyState = 'live';
  onended: (() => void) | null = null;
  readonly #deviceId: string;

  constructor(deviceId: string) {
    this.#deviceId = deviceId;
  }

  getSettings() {
    return { deviceId: this.#deviceId };
  }

  stop() {
    this.readyState = 'ended';
  }

  end() {
    if (this.readyState === 'ended') return;
    this.readyState = 'ended';
    this.onended?.();
  }
}

class Memory implements StorePort {
  readonly #entries = new Map<string, string>();

  get(key: string) {
    return this.#entries.get(key) ?? null;
  }

  set(key: string, value: string | null) {
    if (value === null) this.#entries.delete(key);
    else this.#entries.set(key, value);
  }
}

/** Lets what a change set off come to its end: the desk answers at once. */
const settled = () => sleep(20);

describe('the devices of a tab', () => {
  let desk: Desk;
  let memory: Memory;
  let devices: Devices;

  beforeEach(async () => {
    desk = new Desk();
    memory = new Memory();
    devices = new Devices(desk, memory);
    await devices.refresh();
  });

  it('opens the device that was chosen last time', async () => {
    await devices.choose('camera', 'cam-usb');
    const again = new Devices(desk, memory);
    await again.start('camera');
    assert.deepEqual(desk.lit, ['cam-usb']);
    assert.equal(again.chosen('camera'), 'cam-usb');
  });

  it('takes another one if the remembered device stayed at home', async () => {
    await devices.choose('camera', 'cam-usb');
    desk.unplug('cam-usb');
    const device = await devices.start('camera');
    assert.equal(device.state, 'on');
    assert.deepEqual(desk.lit, ['cam-built-in']);
  });

  it('switches from one to the other without a moment of none', async () => {
    await devices.start('camera');
    const seen: (string | undefined)[] = [];
    devices.on('track', (_kind, track) => seen.push(track?.getSettings().deviceId));
    await devices.choose('camera', 'cam-usb');
    assert.deepEqual(seen, ['cam-usb']);
    assert.deepEqual(desk.lit, ['cam-usb']);
  });

  it('keeps the present device if the other will not open', async () => {
    await devices.start('camera');
    desk.denied.add('camera');
    await devices.choose('camera', 'cam-usb');
    assert.equal(devices.camera.state, 'on');
    assert.deepEqual(desk.lit, ['cam-built-in']);
  });

  it('says that access is denied, and opens nothing by itself when it is granted', async () => {
    desk.denied.add('microphone');
    assert.deepEqual(await devices.start('microphone'), { state: 'blocked', problem: 'denied', lost: false });
    desk.denied.clear();
    desk.change();
    await settled();
    assert.deepEqual(devices.microphone, { state: 'blocked', problem: 'ready', lost: false });
    assert.deepEqual(desk.lit, []);
    assert.equal((await devices.start('microphone')).state, 'on');
  });

  it('says that a camera was pulled out, and opens no other one by itself', async () => {
    await devices.choose('camera', 'cam-usb');
    await devices.start('camera');
    const seen: string[] = [];
    devices.on('lost', (kind) => seen.push(kind));
    desk.unplug('cam-usb');
    await settled();
    assert.deepEqual(devices.camera, { state: 'blocked', problem: 'ready', lost: true });
    assert.deepEqual(seen, ['camera']);
    assert.deepEqual(desk.lit, []);
    await devices.start('camera');
    assert.deepEqual(desk.lit, ['cam-built-in']);
  });

  it('says that none is there when the last one is pulled out, and waits for a press when it is back', async () => {
    await devices.start('microphone');
    desk.unplug('mic-1');
    await settled();
    assert.deepEqual(devices.microphone, { state: 'blocked', problem: 'unplugged', lost: true });
    desk.plugged.push({ id: 'mic-2', kind: 'microphone', label: 'Headset' });
    desk.change();
    await settled();
    assert.deepEqual(devices.microphone, { state: 'blocked', problem: 'ready', lost: true });
    assert.deepEqual(desk.lit, []);
    desk.unplug('mic-2');
    await settled();
    assert.deepEqual(devices.microphone, { state: 'blocked', problem: 'missing', lost: true });
  });

  for (const how of ['ends the track', 'says only that it changed'] as const) {
    it(`says and goes on saying that access was withdrawn, where the browser ${how}`, async () => {
      await devices.start('microphone');
      desk.denied.add('microphone');
      if (how === 'ends the track') desk.opened[0]?.track.end();
      desk.change();
      await settled();
      assert.deepEqual(devices.microphone, { state: 'blocked', problem: 'denied', lost: true });
      assert.deepEqual(desk.lit, []);
      assert.deepEqual(await devices.start('microphone'), {
        state: 'blocked',
        problem: 'denied',
        lost: true,
      });
      desk.denied.clear();
      desk.change();
      await settled();
      assert.deepEqual(devices.microphone, { state: 'blocked', problem: 'ready', lost: true });
      assert.deepEqual(desk.lit, []);
    });
  }

  it('throws away a device that opens after the person switched it off again', async () => {
    const opening = devices.start('camera');
    devices.stop('camera');
    await opening;
    assert.equal(devices.camera.state, 'off');
    assert.deepEqual(desk.lit, []);
  });

  it('gives everything back when it closes', async () => {
    await devices.start('camera');
    await devices.start('microphone');
    devices.close();
    devices.close();
    assert.deepEqual(desk.lit, []);
    assert.equal(desk.watched, false);
  });
});
