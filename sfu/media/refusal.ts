// What mediasoup throws, in our own closed set of refusals.
import { errors } from 'mediasoup';
import { LecternError } from '#shared/contract/errors.ts';

/**
 * Awaits a call into mediasoup whose input came from a browser. Throws LecternError: `bad-request` for
 * parameters it finds wrong, `unsupported-codec`, `service-unavailable` if the worker or what was
 * called is gone.
 */
export async function refusing<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof LecternError) throw error;
    if (error instanceof errors.UnsupportedError) throw new LecternError('unsupported-codec');
    if (error instanceof TypeError) throw new LecternError('bad-request', error.message.slice(0, 300));
    if (isGone(error)) throw new LecternError('service-unavailable');
    throw error;
  }
}

/**
 * As {@link refusing}, for what an offer in SDP led to: the worker finds what no schema does (one SSRC for
 * two streams, say), and then it is the offer that is wrong.
 */
export async function refusingOffer<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await refusing(call);
  } catch (error) {
    if (error instanceof LecternError || !(error instanceof Error)) throw error;
    throw new LecternError('bad-request', `The offer does not fit together: ${error.message.slice(0, 200)}.`);
  }
}

/** True if the worker, or the object that was called, was closed before or during the call. */
export function isGone(error: unknown): boolean {
  return (
    error instanceof errors.WorkerClosedError ||
    error instanceof errors.NotFoundError ||
    (error instanceof Error && /closed|not found/i.test(error.message))
  );
}
