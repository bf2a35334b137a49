// What the audience sees during a break: 马上回来, "Back in a moment", in white on black.
import { inflateSync } from 'node:zlib';

/** The words as 480×144 samples of two bits, deflated (set in Noto Sans CJK, SIL Open Font License). */
const WORDS = [
  'eNrtmr2SpDYQgAVTW1SZAAfeq3JtlSdxZAc8AkT3AK676IJ9AAfzCPAIE/icOL3Em1zi1BaPgMt2OTTBbnBOPAEBewW01RICwe6A',
  'xquZKd+pa3dGPwwfkrpbLQlCrFix8hGJ82KuNsmPxfWac3MTGCQ3zH0pJT4p13lw44+Z+0c/CvRo3OwRbj5SY6X1pTEtTiz3JFya',
  'LnLN+quvtvrcWCQ+N8GNcm3uVS4SYWGOC/EyNypEItqdlrsuRYLm5hR5D3fN1bfj+nWn2JkxrgNkmeu1POEMz3garisSq9ac4arc',
  '3l9PudhQlpgPSA7juu0ebiGeSagYzTARVKfmsk8s2xnhxvpcZsAsEZlwG50BrYYx81oZbz3ghjtM0Ow43JE+j7hfcL3axEa406B5',
  'hivKHLOBjoyw9nFDZf6F9P/KdWEa2X3YXMWQF7gXaF0bgNf4bXA9JiOOWX1OlAD/hFzUwt1JuOp8xNwLJH/VhrlyNp/jBk3yZ3sG',
  'blgmv5rUZV0uLZKcmpiOhuV+H3HMxO0rSJM8NDDAg9fIdbjrliV8A2GdwnU1uEnFEq4BC1a57SLXAR5v0PLEXJ+pMjpqo5bURxz7',
  'uYmI232jrtJb5LpQ8YRrcNnNcPUSl7eTr8tMdrS/yKXQrbvXJju6XwXs43rYzbxsBffmuLi4jdSQIpvs1yVQyGehsDXGxUX8Ajfu',
  'F+BQmIF+Rhx097PcddX3vWtqTgpFGDvL9beKwzQ1uCJEvHypSDzRK0fRtQtTygzwiE0edd9MGC/Am3NwrVixYsWKFStWrFixYuUx',
  '+fFMXLkg+/k8XBeOCXEB3m/3cOPjcqcr3ae391KPO9mcePr4Rss95dbk2WQz5umbb3pcvlN1Dq5fnYfrmeYmetwV+3fe3mJ2cz/h',
  'imJZjYktueK7kZt3kzy/4pM21uey9m4AzdUD2CKXv6PDvmu/MzJRzQtqQtEAPG4Go3xMgowyJQ0BKs1+dsX+XIhvjrXdER37biLB',
  'c+UpNBYwQtFdOs4XJPgNSyNNrl+yp31Nd4x3/wq54miBfbTwPT8F7qqx4Ae4vsODDHq3aUb5369LEvxzv6m1uWFB3Fu0JhdSJ2c8',
  'sdXOuFB1+563nbGx1lCIA+ygGB1an3f4rwJIcbeaao3vBWuSE2Nvi6OMlgQ7yc3Fu2SimvCCqEYCv3065JluOg0JGt5XOnrV+2f2',
  'S2HIbffqV8uPCIPueHfF+4AVhDt5aZIpedYdv5Cg5O9haHLvZcuDUvBEP7X8T3Jd2fdhTtyGXxrmSr7AzWD81OcKVWU3XnNH3XYn',
  'Vnu4a87BS9n/kMfd6vgALhtfit3rfNvgo+O9O/8luL7gYrXKxWFnj/QIl2r7DdQR5y30XNHdIy6v7rmOuLTnYj47nIsnrlcwcKP6',
  'AZdXT7l+qeRxvA7koh7R9hvx0OzetH3A5dUjbmaAm8Qr2LqyvdCo+sy5onq2vX/f3Nwcyo1SvyEDt4rSCVdUL40vIYe2N2W3GLhF',
  'mE+4onqWm/8n7mCUjJv2flJyRbXKHdmvI396sF6teyeEhu9Vi1x8NOGvhvyhXGZH4sbSP/eM/Vy8NMqUfHk41+fuhnkPdCCf8vng',
  'Idcbc7v5aMjXKjdd5jbkkvlJ1k1hg5Oq85Mabyh6FY653fyr5smXkhtlevNCwZr8HB0S3L2q1PhqsKPnE3/F4o3rRs3D7bNacsPy',
  'hdb8GzPHAFVDRITSEqGdI7/Bq1WOiK9G+UZy1xpxDuN+x9/f2jb8WJDrKNcShdtVqxweeo7zt5LrgfYrO1+/IzJ+nqlWZTMp2rwf',
  'tJi+sdsmVqxYsWLFihUrH6b8C20aOeo=',
].join('');
const WIDTH = 480;
const HEIGHT = 144;
/** Pictures below this width get the words at half their size, in pixels. */
const LARGE_WIDTH = 960;
/** Luma of the four shades (BT.601, limited range). */
const LUMA = [16, 89, 162, 235];

let words: Uint8Array | undefined;

/** The shade at a place of the words, 0 (black) to 3 (white). */
function shade(x: number, y: number): number {
  words ??= inflateSync(Buffer.from(WORDS, 'base64'));
  const at = y * WIDTH + x;
  return ((words[at >> 2] ?? 0) >> (6 - 2 * (at & 3))) & 3;
}

/** What is drawn on a black picture, in pixels. */
export interface Ink {
  /** The rows that have any: from this one, up to the other. */
  readonly top: number;
  readonly bottom: number;
  /** The luma of a pixel; undefined where it is black. */
  at(x: number, y: number): number | undefined;
}

/** The words in the middle of a picture of this size. */
export function breakCard(width: number, height: number): Ink {
  const step = width < LARGE_WIDTH ? 2 : 1;
  const left = Math.round((width - WIDTH / step) / 2);
  const top = Math.round((height - HEIGHT / step) / 2);
  return {
    top,
    bottom: top + HEIGHT / step,
    at(x, y) {
      const [u, v] = [(x - left) * step, (y - top) * step];
      if (u < 0 || v < 0 || u >= WIDTH || v >= HEIGHT) return undefined;
      const [right, below] = [u + step - 1, v + step - 1];
      const sum = shade(u, v) + shade(right, v) + shade(u, below) + shade(right, below);
      return sum === 0 ? undefined : LUMA[Math.round(sum / 4)];
    },
  };
}
