// Links as they arrive: mail programs, chats and hands encode their `#`, drop it, wrap the link in quotes
// and brackets, or put the full stop of the sentence at its end. What can be understood, is.

/** A link may have been encoded by more than one program on its way. */
const MAX_DECODINGS = 3;
/** A soft hyphen, a zero-width space, a line break: put in by programs that lay out text. */
const LAID_OUT = /[\p{Cf}\r\n\t]/gu;
/** The page, its id, what stands where only `#` should, and the secret: base64url parts joined by dots. */
const WITH_SECRET =
  /^\/(?<page>(?:room|watch|replay)\/[a-z0-9]{8,24}?|owner)\/?(?:[^a-z0-9/].*?)?(?<name>invite|key)=(?<secret>[\w-]+(?:\.[\w-]+)*)/;
/** Signs that end a sentence or a bracket, in any script. */
const AT_THE_END = /[^\p{L}\p{N}/_-]+$/u;
/** 256 bits in base64url: an HS256 signature (RFC 7518 §3.2), and the owner's key. What follows is not ours. */
const SIGNATURE_LENGTH = 43;

function decoded(text: string): string {
  let known = text;
  for (let left = MAX_DECODINGS; left > 0; left -= 1) {
    try {
      const next = decodeURIComponent(known);
      if (next === known) break;
      known = next;
    } catch {
      // A per cent sign of its own.
      break;
    }
  }
  return known.replace(LAID_OUT, '');
}

function withoutTail(secret: string): string {
  const [first = '', payload, signature] = secret.split('.');
  if (payload === undefined) return first.slice(0, SIGNATURE_LENGTH);
  return signature === undefined ? secret : `${first}.${payload}.${signature.slice(0, SIGNATURE_LENGTH)}`;
}

/**
 * The address that was meant by `address`, with its secret behind `#`, which no server sees. Equal to
 * `address` where nothing is wrong with it or nothing can be made of it.
 */
export function understandLink(address: URL): URL {
  const meant = new URL(address);
  const found = WITH_SECRET.exec(decoded(address.pathname + address.search + address.hash))?.groups;
  if (found === undefined) {
    const path = decoded(address.pathname);
    if (AT_THE_END.test(path)) meant.pathname = path.replace(AT_THE_END, '');
    return meant;
  }
  const { page, name, secret } = found;
  if (page === undefined || name === undefined || secret === undefined) return meant;
  meant.pathname = `/${page}`;
  if (/invite=|key=/.test(decoded(address.search))) meant.search = '';
  meant.hash = `${name}=${withoutTail(secret)}`;
  return meant;
}
