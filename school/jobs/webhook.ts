// Tells another system of the operator's that a recording is ready, signed as Standard Webhooks says
// (https://www.standardwebhooks.com, "Signature scheme"). The address is the operator's own setting, not typed in a
// form: it may be inside the network.
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { LessonId, RecordingId } from '#shared/contract/ids.ts';
import type { Log } from '#server/log.ts';
import type { Database } from '../database/database.ts';
import { findRecording, titleOf } from '../recordings/store.ts';

/** For so long nobody needs to answer, in ms; then it is tried again. */
const ANSWER_LIMIT_MS = 5_000;
/** An answer that does not come for so long is not waited for any more. */
const GIVE_UP_MS = 24 * 60 * 60_000;

export interface WebhookTarget {
  readonly url: string;
  /** Any text, or `whsec_` and base64. */
  readonly secret: string;
}

/** What is sent, as `webhook-id` names it. */
export const WebhookEvent = z.object({
  type: z.literal('recording.ready'),
  timestamp: z.iso.datetime(),
  data: z.object({
    recording: RecordingId,
    lesson: LessonId,
    title: z.string(),
    startedAtMs: z.number(),
    durationMs: z.number(),
    bytes: z.number(),
  }),
});
export type WebhookEvent = z.infer<typeof WebhookEvent>;

export interface WebhookOptions {
  readonly db: Database;
  /** Null where nobody is to be told. */
  readonly target: WebhookTarget | null;
  readonly log: Log;
  /** The time in ms since 1970. */
  readonly now: () => number;
}

export class Webhook {
  readonly #options: WebhookOptions;
  /** It was not taken, and the log says so. */
  #isFailing = false;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Tells of a recording that became ready at `atMs`. Rejects if it has to be tried again. */
  async recordingReady(recording: string, atMs: number): Promise<void> {
    const { db, target, log, now } = this.#options;
    const row = await findRecording(db, recording);
    // Nobody is to be told, or it was deleted meanwhile.
    if (target === null || row === undefined) return;
    if (now() - atMs > GIVE_UP_MS) {
      log.warn({ recording }, 'the webhook was not answered for a day: it is given up');
      return;
    }
    const { lesson, startedAtMs, durationMs, bytes } = row;
    const title = await titleOf(db, row);
    const event: WebhookEvent = {
      type: 'recording.ready',
      timestamp: new Date(atMs).toISOString(),
      data: { recording, lesson, title, startedAtMs, durationMs, bytes },
    };
    try {
      await this.#post(target, `recording.ready:${recording}`, JSON.stringify(event));
    } catch (error) {
      if (!this.#isFailing) log.warn({ err: error, recording }, 'the webhook did not take it, trying again');
      this.#isFailing = true;
      throw error;
    }
    this.#isFailing = false;
    log.info({ recording }, 'the webhook was told');
  }

  async #post({ url, secret }: WebhookTarget, id: string, body: string): Promise<void> {
    const timestamp = String(Math.floor(this.#options.now() / 1_000));
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Lectern',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatureOf(secret, id, timestamp, body),
      },
      body,
      // Another place to tell is not what the operator wrote.
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`);
  }
}

/** `v1,` and the HMAC-SHA256 of id, timestamp and body, in base64. */
export function signatureOf(secret: string, id: string, timestamp: string, body: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
