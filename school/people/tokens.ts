// The signed values that the school gives out: JWTs (RFC 7519) with HS256.
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { decodeJwt, errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import type { z } from 'zod';
import { LecternError } from '#shared/contract/errors.ts';
import { SHARE_AUDIENCE, ShareToken } from '#shared/contract/shares.ts';
import {
  Invite,
  INVITE_AUDIENCE,
  MAX_TOKEN_LENGTH,
  Ticket,
  TICKET_AUDIENCE,
} from '#shared/contract/tickets.ts';
import type { Secrets } from '#server/secrets.ts';

/** How long a ticket is good for, in s: longer than any class. */
const TICKET_TTL_S = 12 * 3_600;
/** An invitation is good for at least this long, in s. */
const INVITE_TTL_S = 365 * 86_400;
/** Invitations made within this time, in s, are the same text: a link that is shown twice does not differ. */
const INVITE_STEP_S = 30 * 86_400;

/** Its own end is in the database; the year 2100 here, in s since 1970. */
const SHARE_EXPIRY_S = 4_102_444_800;

/** Signs and checks; `now` gives the time in ms since 1970. */
export class Tokens {
  readonly #ticketKey: KeyObject;
  readonly #now: () => number;

  constructor(secrets: Pick<Secrets, 'ticket'>, now: () => number) {
    this.#ticketKey = createSecretKey(Buffer.from(secrets.ticket));
    this.#now = now;
  }

  invite(invite: Invite): Promise<string> {
    const expires = (Math.ceil(this.#nowS() / INVITE_STEP_S) + 1) * INVITE_STEP_S + INVITE_TTL_S;
    return sign({ ...invite }, INVITE_AUDIENCE, expires, this.#ticketKey);
  }

  /** Throws LecternError `ticket-expired`, or `ticket-invalid` for all else that is wrong. */
  readInvite(token: string): Promise<Invite> {
    return this.#read(token, INVITE_AUDIENCE, this.#ticketKey, Invite);
  }

  /** A link to one replay; when it ends is for the school to say when somebody comes by it. */
  share(share: string): Promise<string> {
    return sign({ share }, SHARE_AUDIENCE, SHARE_EXPIRY_S, this.#ticketKey);
  }

  /** Throws LecternError `ticket-invalid`. */
  readShare(token: string): Promise<z.infer<typeof ShareToken>> {
    return this.#read(token, SHARE_AUDIENCE, this.#ticketKey, ShareToken);
  }

  ticket(ticket: Omit<Ticket, 'exp'>): Promise<string> {
    return sign({ ...ticket }, TICKET_AUDIENCE, this.#nowS() + TICKET_TTL_S, this.#ticketKey);
  }

  /** Throws LecternError `ticket-expired`, or `ticket-invalid` for all else that is wrong. */
  readTicket(token: string): Promise<Ticket> {
    return this.#read(token, TICKET_AUDIENCE, this.#ticketKey, Ticket);
  }

  async #read<T extends z.ZodType>(token: string, audience: string, key: KeyObject, schema: T) {
    if (token.length > MAX_TOKEN_LENGTH) throw new LecternError('ticket-invalid');
    try {
      const { payload } = await this.#verify(token, audience, key);
      return schema.parse(payload);
    } catch (error) {
      throw new LecternError(error instanceof errors.JWTExpired ? 'ticket-expired' : 'ticket-invalid');
    }
  }

  #verify(token: string, audience: string, key: KeyObject) {
    const currentDate = new Date(this.#now());
    return jwtVerify(token, key, { algorithms: ['HS256'], audience, currentDate, requiredClaims: ['exp'] });
  }

  #nowS(): number {
    return Math.floor(this.#now() / 1_000);
  }
}

/** Whether a token says of itself that it is a link to one replay. */
export function isShare(token: string): boolean {
  try {
    return decodeJwt(token).aud === SHARE_AUDIENCE;
  } catch {
    return false;
  }
}

function sign(payload: JWTPayload, audience: string, expires: number, key: KeyObject): Promise<string> {
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(audience)
    .setExpirationTime(expires)
    .sign(key);
}

/** A new person's id. */
export const newPeerId = (): string => randomBytes(12).toString('base64url');
