// Checks the ticket of a socket: a JWT (RFC 7519) that `school` signed with HS256 for `lectern:room`.
import { errors, jwtVerify } from 'jose';
import { LecternError } from '#shared/contract/errors.ts';
import { MAX_TOKEN_LENGTH, Ticket, TICKET_AUDIENCE } from '#shared/contract/tickets.ts';

/** How far the clocks of two machines may be apart. */
const CLOCK_TOLERANCE_S = 5;

/** Makes the check. It throws LecternError `ticket-expired`, or `ticket-invalid` for all else. */
export function ticketVerifier(secret: string): (token: string) => Promise<Ticket> {
  const key = new TextEncoder().encode(secret);
  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH) throw new LecternError('ticket-invalid');
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['HS256'],
        audience: TICKET_AUDIENCE,
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', 'sub'],
      });
      return Ticket.parse(payload);
    } catch (error) {
      throw new LecternError(error instanceof errors.JWTExpired ? 'ticket-expired' : 'ticket-invalid');
    }
  };
}
