// Pictures over HTTP, kept by the browser for as long as the page wants them.
import type { PicturePort } from '../../engine/player/ports.ts';

/** What does not come within this is not waited for, in ms. */
const LIMIT_MS = 10_000;
const NOT_FOUND = 404;

export const browserPictures: PicturePort = {
  async load(address) {
    const response = await fetch(address, {
      credentials: 'omit',
      // As for the media: a rule by site (docs/access.md) needs to know the site.
      referrerPolicy: 'origin',
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    // Also of an answer that holds no picture: the next request begins once this one is over.
    const body = await response.blob();
    if (response.status === NOT_FOUND) return null;
    if (!response.ok) throw new Error(`refused with ${response.status}`);
    return URL.createObjectURL(body);
  },
  release: (picture) => URL.revokeObjectURL(picture),
};
