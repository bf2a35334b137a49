// Sound apart from the media itself: how loud a microphone is, and a tone to test the speaker with.
import { expected } from '#shared/expected.ts';

/** How often the level is read, in ms. */
const LEVEL_INTERVAL_MS = 60;
/** What counts as silence and as full, in dBFS; speech lies between. */
const FLOOR_DB = -60;
const CEILING_DB = -12;

/**
 * Reads the level of a microphone's track, 0 to 1, until the function it returns is called.
 * Needs no gesture where a capture is on; without sound support it stays silent.
 */
export function measureLevel(track: MediaStreamTrack, onLevel: (level: number) => void): () => void {
  const context = new AudioContext();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1_024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    if (context.state === 'suspended') void context.resume();
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    const db = 10 * Math.log10(sum / samples.length + 1e-12);
    onLevel(Math.min(1, Math.max(0, (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB))));
  }, LEVEL_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    source.disconnect();
    void context.close();
  };
}

/** Three rising notes, each of this length in seconds. */
const NOTE_S = 0.22;
const NOTES_HZ = [523.25, 659.25, 783.99];

/** Plays a short, soft tune on a speaker. Resolves when it is over; rejects if nothing can be played. */
export async function playTestSound(speakerId: string | undefined): Promise<void> {
  const context = new AudioContext();
  try {
    await context.resume();
    const out = context.createMediaStreamDestination();
    const gain = context.createGain();
    gain.connect(out);
    gain.gain.value = 0;
    const start = context.currentTime + 0.05;
    NOTES_HZ.forEach((pitch, index) => {
      const at = start + index * NOTE_S;
      const tone = context.createOscillator();
      tone.type = 'sine';
      tone.frequency.value = pitch;
      tone.connect(gain);
      gain.gain.setTargetAtTime(0.25, at, 0.02);
      gain.gain.setTargetAtTime(0, at + NOTE_S * 0.6, 0.05);
      tone.start(at);
      tone.stop(at + NOTE_S + 0.2);
    });
    const player = new Audio();
    player.srcObject = out.stream;
    await chooseSpeaker(player, speakerId);
    await player.play();
    await new Promise((resolve) => setTimeout(resolve, (NOTES_HZ.length * NOTE_S + 0.4) * 1_000));
    player.srcObject = null;
  } finally {
    await context.close();
  }
}

/** Sends an element's sound to a speaker; the default one where the browser or the device refuses. */
export async function chooseSpeaker(element: HTMLMediaElement, speakerId: string | undefined): Promise<void> {
  if (speakerId === undefined || !('setSinkId' in element)) return;
  await element.setSinkId(speakerId).catch(expected('the speaker is gone'));
}
