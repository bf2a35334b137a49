// Whether a browser may publish: the one decision that every protocol asks, asked again while it publishes.
import type { IncomingMessage } from 'node:http';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import { parsePublishKey } from '#shared/contract/publish.ts';
import { clientOf } from '#server/forwarded.ts';
import type { OpenConnections } from '../../access/revalidation.ts';

const UNTITLED = 'Live class';

export interface PublishAdmission {
  /** The lesson, which is the room, as the key names it. */
  readonly lesson: string;
  readonly title: string;
  /** The connection is gone. */
  leave(): void;
}

/** Asks for one connection; `revoked` is called, once and with the reason, if it may not go on. Rejects with LecternError. */
export type Admit = (
  channel: string,
  query: URLSearchParams,
  request: IncomingMessage,
  revoked: (code: ErrorCode) => void,
) => Promise<PublishAdmission>;

export interface AdmissionOptions {
  readonly open: OpenConnections;
  readonly titleOf: (channel: string) => string | undefined;
  readonly trustedProxies: ReadonlySet<string>;
}

export function createAdmit({ open, titleOf, trustedProxies }: AdmissionOptions): Admit {
  return async (channel, query, request, revoked) => {
    const { ip } = clientOf(request, trustedProxies);
    const held = open.hold(
      {
        action: 'publish',
        resource: `/live/${channel}`,
        query,
        ip,
        referer: request.headers.origin,
        nowMs: Date.now(),
      },
      revoked,
    );
    const verdict = await held.verdict;
    if (!verdict.allow) throw new LecternError(verdict.code);
    const lesson = parsePublishKey(query.get('key') ?? '')?.lesson;
    if (lesson === undefined) {
      held.leave();
      throw new LecternError('publish-key-invalid');
    }
    return { lesson, title: titleOf(channel) ?? UNTITLED, leave: () => held.leave() };
  };
}
