// Publishing and watching as any web page could: RTCPeerConnection and fetch, nothing of Lectern's own.
import type { Page } from 'playwright-core';

interface Session {
  readonly url: string;
  /** The stream key; undefined to watch. */
  readonly key?: string;
}

/** Publishes this page's camera and microphone to `url`. Rejects with the status that refused it. */
export function publishWhip(page: Page, url: string, key: string): Promise<void> {
  return negotiate(page, { url, key });
}

/**
 * Plays `url` in a video that fills the page. Rejects with the status that refused it. The page's
 * `firstPictureMs` says how long the first picture took.
 */
export function playWhep(page: Page, url: string): Promise<void> {
  return negotiate(page, { url });
}

async function negotiate(page: Page, session: Session): Promise<void> {
  await page.evaluate(async ({ url, key }) => {
    const connection = new RTCPeerConnection();
    if (key === undefined) {
      const video = document.createElement('video');
      video.style.width = '100%';
      video.autoplay = true;
      const stream = new MediaStream();
      video.srcObject = stream;
      document.body.append(video);
      const started = performance.now();
      video.requestVideoFrameCallback(() => {
        Object.assign(window, { firstPictureMs: performance.now() - started });
      });
      connection.addEventListener('track', ({ track }) => stream.addTrack(track));
      connection.addTransceiver('audio', { direction: 'recvonly' });
      connection.addTransceiver('video', { direction: 'recvonly' });
    } else {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
      for (const track of stream.getTracks()) {
        const transceiver = connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
        const codecs = RTCRtpSender.getCapabilities(track.kind)?.codecs ?? [];
        const first = codecs.filter(({ mimeType }) => /h264|opus|rtx/i.test(mimeType));
        transceiver.setCodecPreferences(first);
      }
    }
    await connection.setLocalDescription();
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/sdp',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      body: connection.localDescription?.sdp ?? '',
    });
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
    await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    // Kept from the garbage collector.
    Object.assign(window, { session: connection });
  }, session);
}
