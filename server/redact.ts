// Takes out of a text what would open something for anyone who reads it: signatures of addresses in all their
// forms, keys, tickets, invitations, passwords and cookies. Every line of the log goes through here.

/** Parameters of addresses, ours and those of CDNs (docs/access.md), in any case of letters. */
const PARAMETERS = [
  ...['sign', 'signature', 'sig', 'md5', 'auth_key', 'wssecret', 'wstime', 'txsecret', 'txtime'],
  ...[
    'key',
    'apikey',
    'api_key',
    'streamkey',
    'token',
    'access_token',
    'invite',
    'ticket',
    'session',
    'secret',
  ],
  ...['password', 'pass', 'hdnts', 'hdnea', 'x-amz-signature', 'x-amz-security-token'],
];
const NAMES = PARAMETERS.join('|');
/** Fields of lines and headers whose whole value is a secret. */
const FIELDS = `${NAMES}|authorization|proxy-authorization|cookie|set-cookie|lectern_session`;

/** `name=value` of a query, a fragment or a cookie; also where the address is itself a parameter (%3D, %26). */
const IN_ADDRESS = new RegExp(
  `((?:^|[?&#;\\s"'({,]|%3F|%26|%23)(?:${NAMES}|lectern_session)(?:=|%3D))(?:(?!%26|%23)[^\\s&#;"'\\\\<>)}])+`,
  'gi',
);
/** `"name":"value"` of JSON, also inside a string of JSON. */
const IN_JSON = new RegExp(`(\\\\?"(?:${FIELDS})\\\\?"\\s*:\\s*\\[?\\\\?")(?:[^"\\\\]|\\\\[^"])+`, 'gi');
/** A header as HTTP and ffmpeg write it. */
const IN_HEADER = /\b((?:proxy-)?authorization|(?:set-)?cookie)(\s*:\s*)(?!")[^\r\n"\\]+/gi;
/** RFC 6750 §2.1, RFC 7617. */
const CREDENTIALS = /\b(bearer|basic)\s+[A-Za-z0-9._~+/-]{8,}=*/gi;
/** `//user:password@host` of an address (RFC 3986 §3.2.1). */
const USER_INFO = /(\/\/[^\s/?#:@"'\\]*:)[^\s/?#@"'\\]+@/g;

/** `text` with `***` in place of each secret. */
export function redact(text: string): string {
  return text
    .replace(IN_ADDRESS, '$1***')
    .replace(IN_JSON, '$1***')
    .replace(IN_HEADER, '$1$2***')
    .replace(CREDENTIALS, '$1 ***')
    .replace(USER_INFO, '$1***@');
}
