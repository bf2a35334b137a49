// AES-128 for whole segments (draft-pantos-hls-rfc8216bis §4.4.4.4, METHOD=AES-128): CBC with PKCS7 padding;
// the IV is the media sequence number. Init segments are not encrypted. One key for each broadcast, which
// is served under the same decision as the media.
import { createCipheriv, createHmac, type Cipheriv } from 'node:crypto';

const BLOCK_BYTES = 16;

/** The name under which a broadcast's key is served, next to its playlists. */
export const KEY_NAME = 'key';

export class SegmentEncryption {
  readonly #secret: string;

  /** Keys are made of `secret` and the broadcast's id, so that none has to be kept. */
  constructor(secret: string) {
    this.#secret = secret;
  }

  /** The 16 bytes of a broadcast's key. */
  keyOf(broadcast: string): Buffer {
    return createHmac('sha256', this.#secret)
      .update(`hls-key\n${broadcast}`)
      .digest()
      .subarray(0, BLOCK_BYTES);
  }

  /** Encrypts segment `n` of a broadcast. */
  cipher(broadcast: string, n: number): Cipheriv {
    const iv = Buffer.alloc(BLOCK_BYTES);
    iv.writeUInt32BE(n, BLOCK_BYTES - 4);
    return createCipheriv('aes-128-cbc', this.keyOf(broadcast), iv);
  }
}

/** What `bytes` become with their padding: there is always some. */
export const encryptedBytes = (bytes: number) => (Math.floor(bytes / BLOCK_BYTES) + 1) * BLOCK_BYTES;
