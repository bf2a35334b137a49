// Where the addresses are in what somebody wrote, so that they can be pressed. The text comes from anyone in
// the class: only what leads where it says it leads becomes a link.
import { tokenize } from 'linkifyjs';

export interface TextPart {
  readonly text: string;
  /** Where it leads; undefined for plain text. */
  readonly href?: string;
  /** The host in plain letters, where the text does not show it: `xn--…` for letters that look like others. */
  readonly host?: string;
}

/** Said to be an address: `report.py` and `3.am` are words. */
const MEANT = /^(?:https?:\/\/|www\.)/i;
/** What has no width or turns the text around it hides where a link leads. */
const HIDDEN = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/u;

/** Ends an address in Chinese and Japanese text, where no space does. */
const FULL_WIDTH =
  /([\u2018-\u201f\u2026\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+)/;
/** A host of plain letters that the next word follows without a space. */
const GLUED = /^((?:https?:\/\/)?[a-z0-9.-]+\.[a-z]{2,})((?![a-z])\p{L}.*)$/isu;

function linkOf(text: string): TextPart {
  if (!MEANT.test(text) || HIDDEN.test(text)) return { text };
  const url = URL.parse(/^www\./i.test(text) ? `https://${text}` : text);
  if (url === null || !/^https?:$/.test(url.protocol)) return { text };
  // In https://bank.example@evil.example/ the first name is not the host.
  if (url.username !== '' || url.password !== '') return { text };
  const { href, hostname } = url;
  return text.toLowerCase().includes(hostname) ? { text, href } : { text, href, host: hostname };
}

/** The parts of a message, which together are its text. */
export function textParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  for (const part of text.split(FULL_WIDTH).flatMap(partsOf)) {
    const last = parts.at(-1);
    if (last !== undefined && last.href === undefined && part.href === undefined)
      parts.splice(-1, 1, { text: last.text + part.text });
    else if (part.text !== '') parts.push(part);
  }
  return parts;
}

function partsOf(text: string): TextPart[] {
  return tokenize(text).flatMap((token) => {
    if (!token.isLink || token.t !== 'url') return { text: token.v };
    const [, host, rest] = GLUED.exec(token.v) ?? [];
    return host === undefined || rest === undefined ? linkOf(token.v) : [linkOf(host), { text: rest }];
  });
}
