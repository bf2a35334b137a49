// A WHIP and WHEP client as a web page would write it: RTCPeerConnection and fetch, nothing else.
export class Whip {
  #connection = new RTCPeerConnection();
  #session = '';
  video: HTMLVideoElement | undefined;

  /** Publishes the fake camera and microphone to `url`: in this codec, in one layer or in three. */
  async publish(url: string, bearer: string, codec = 'H264', layers = 1): Promise<void> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: true,
      video: layers > 1 ? { width: 1280, height: 720 } : { width: 640, height: 360 },
    });
    for (const track of stream.getTracks()) {
      const sendEncodings =
        layers > 1 && track.kind === 'video'
          ? [{ rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }]
          : undefined;
      const transceiver = this.#connection.addTransceiver(track, {
        direction: 'sendonly',
        streams: [stream],
        ...(sendEncodings && { sendEncodings }),
      });
      if (track.kind === 'audio') continue;
      const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
      transceiver.setCodecPreferences(
        codecs.filter(({ mimeType }) => mimeType === `video/${codec}` || mimeType === 'video/rtx'),
      );
    }
    await this.#offer(url, { authorization: `Bearer ${bearer}` });
  }

  /** Plays what `url` gives. */
  async play(url: string): Promise<void> {
    this.#connection.addTransceiver('audio', { direction: 'recvonly' });
    this.#connection.addTransceiver('video', { direction: 'recvonly' });
    const video = document.createElement('video');
    video.autoplay = true;
    video.srcObject = new MediaStream();
    document.body.append(video);
    this.#connection.addEventListener('track', ({ track }) => {
      (video.srcObject as MediaStream).addTrack(track);
    });
    this.video = video;
    await this.#offer(url, {});
  }

  /** The status that an offer gets, without playing. */
  async ask(url: string): Promise<number> {
    try {
      await this.play(url);
      return 201;
    } catch (error) {
      return Number((error as Error).message);
    }
  }

  state(): string {
    return this.#connection.connectionState;
  }

  /** Pictures, their width, packets of sound, and how much of it was loud. */
  async received(): Promise<{
    codec: string;
    frames: number;
    width: number;
    audioPackets: number;
    energy: number;
    freezes: number;
  }> {
    const found = { codec: '', frames: 0, width: 0, audioPackets: 0, energy: 0, freezes: 0 };
    const stats = await this.#connection.getStats();
    for (const report of stats.values()) {
      if (report.type !== 'inbound-rtp') continue;
      if (report.kind === 'audio') {
        found.audioPackets += report.packetsReceived ?? 0;
        found.energy += report.totalAudioEnergy ?? 0;
      } else {
        found.frames += report.framesDecoded ?? 0;
        found.width = report.frameWidth ?? 0;
        found.codec = stats.get(report.codecId)?.mimeType ?? '';
        found.freezes = report.freezeCount ?? 0;
      }
    }
    return found;
  }

  /** RFC 9725 §4.3.3. */
  async restartIce(): Promise<void> {
    const connection = this.#connection;
    const { localDescription: before, remoteDescription: remote } = connection;
    if (before === null || remote === null) throw new Error('there is no session');
    await connection.setLocalDescription(await connection.createOffer({ iceRestart: true }));
    const line = (sdp: string, name: string) =>
      new RegExp(`^a=${name}:(.*)$`, 'm').exec(sdp)?.[1]?.trim() ?? '';
    const mine = connection.localDescription?.sdp ?? '';
    const response = await fetch(this.#session, {
      method: 'PATCH',
      headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' },
      body: `a=ice-ufrag:${line(mine, 'ice-ufrag')}\r\na=ice-pwd:${line(mine, 'ice-pwd')}\r\n`,
    });
    if (response.status !== 200) throw new Error(String(response.status));
    const fragment = await response.text();
    const sdp = remote.sdp
      .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${line(fragment, 'ice-ufrag')}`)
      .replace(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${line(fragment, 'ice-pwd')}`);
    await connection.setRemoteDescription({ type: 'answer', sdp });
  }

  async end(): Promise<number> {
    return (await fetch(this.#session, { method: 'DELETE' })).status;
  }

  async #offer(url: string, headers: Record<string, string>): Promise<void> {
    await this.#connection.setLocalDescription();
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', ...headers },
      body: this.#connection.localDescription?.sdp ?? '',
    });
    if (response.status !== 201) throw new Error(String(response.status));
    this.#session = new URL(response.headers.get('location') ?? '', url).href;
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  }
}

declare global {
  interface Window {
    whip: Whip;
  }
}
window.whip = new Whip();
