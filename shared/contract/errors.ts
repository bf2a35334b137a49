// The closed set of refusals. A code is for programs; the message tells a person what to do.
import { z } from 'zod';

/** Every error code, with the HTTP status it travels under and the sentence a person reads. */
export const ERRORS = {
  'bad-request': { status: 400, message: 'The request is not well formed.' },
  'too-large': { status: 413, message: 'The request is larger than allowed.' },
  'not-found': { status: 404, message: 'There is nothing at this address.' },
  'method-not-allowed': { status: 405, message: 'This address does not take that method.' },
  'not-acceptable': { status: 406, message: 'What is offered or asked for does not fit this address.' },
  'unsupported-media-type': { status: 415, message: 'Send the request as application/json.' },
  'rate-limited': { status: 429, message: 'Too many requests; wait a moment and try again.' },
  unauthorized: { status: 401, message: 'Sign in or send an API key.' },
  forbidden: { status: 403, message: 'You have no permission to do this.' },
  'ticket-invalid': { status: 401, message: 'This invitation is not valid; ask the teacher for a new link.' },
  'ticket-expired': { status: 401, message: 'This invitation has expired; ask the teacher for a new link.' },
  'link-replaced': { status: 403, message: 'This link was replaced; ask the teacher for the new one.' },
  'link-ended': { status: 403, message: 'This link was ended; ask for a new one where you have it from.' },
  'signature-missing': { status: 403, message: 'This address must be signed; open the link you were given.' },
  'signature-invalid': { status: 403, message: 'The signature of this address is wrong.' },
  'signature-expired': { status: 403, message: 'This address has expired; open the watch page again.' },
  'unknown-channel': { status: 404, message: 'There is no such channel.' },
  'not-live': { status: 404, message: 'Nothing is being broadcast on this channel now.' },
  'room-closed': { status: 410, message: 'This class has ended.' },
  'must-wait': { status: 403, message: 'The teacher will let you in; stay on this page.' },
  'consent-needed': { status: 403, message: 'Who joins this class has to agree to be recorded.' },
  'room-full': { status: 503, message: 'This room is full.' },
  'chat-full': { status: 403, message: 'Nothing more can be written in this class.' },
  'not-joined': { status: 409, message: 'Join the room first.' },
  'peer-removed': { status: 403, message: 'The teacher removed you from this class.' },
  'session-replaced': { status: 409, message: 'You joined this class in another tab.' },
  conflict: { status: 409, message: 'This does not fit the present state; reload and try again.' },
  'publish-key-invalid': {
    status: 403,
    message: 'This stream key is wrong or was replaced; copy it again from the class.',
  },
  'already-publishing': {
    status: 409,
    message: 'Another program is publishing to this class; stop it first.',
  },
  'precondition-failed': { status: 412, message: 'This was changed meanwhile; read it again.' },
  'precondition-required': { status: 428, message: 'Send If-Match with the entity tag you were given.' },
  'already-live': { status: 409, message: 'This class is already live.' },
  'unsupported-codec': { status: 415, message: 'This browser offers no codec that the class can use.' },
  'range-not-satisfiable': { status: 416, message: 'The requested range lies outside the file.' },
  'disk-full': { status: 507, message: 'The disk is full; free some space on the server.' },
  'disk-unavailable': {
    status: 507,
    message: 'The server cannot write to its disk now; its operator has to look at it.',
  },
  'service-unavailable': { status: 503, message: 'A part of Lectern is restarting; try again in a moment.' },
  'internal-error': { status: 500, message: 'Something went wrong here; it was logged.' },
} as const satisfies Record<string, { status: number; message: string }>;

export type ErrorCode = keyof typeof ERRORS;
export const ErrorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);

/** Why a class is not recorded now: the disk is full, or cannot be written for another reason. */
export const DiskTrouble = z.enum(['disk-full', 'disk-unavailable']) satisfies z.ZodType<ErrorCode>;
export type DiskTrouble = z.infer<typeof DiskTrouble>;

/** The body of every refusal, over REST and in signalling acknowledgements. */
export const ErrorBody = z.object({ error: z.object({ code: ErrorCode, message: z.string().max(1000) }) });
export type ErrorBody = z.infer<typeof ErrorBody>;

/** A refusal that may be shown to the caller. Anything else thrown is an `internal-error`. */
export class LecternError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message?: string) {
    super(message ?? ERRORS[code].message);
    this.name = 'LecternError';
    this.code = code;
  }

  /** What to tell of a fault: itself if it is one of ours, `internal-error` for any other. */
  static from(error: unknown): LecternError {
    return error instanceof LecternError ? error : new LecternError('internal-error');
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  toBody(): ErrorBody {
    return { error: { code: this.code, message: this.message } };
  }
}

/** The code that tells a fault to a person. */
export const codeOf = (error: unknown): ErrorCode => LecternError.from(error).code;
