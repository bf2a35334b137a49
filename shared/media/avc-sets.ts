// The parameter sets of an H.264 stream by their numbers, as they come within it: which picture is decoded by
// which of them, and the configuration that they make together (ITU-T H.264 §7.4.1.2.1).
import { avcConfig, NAL, nalType, parsePpsHead, parseSliceHead, parseSps } from './avc.ts';
import { equalBytes, MalformedError } from './bytes.ts';
import type { AvcConfig } from './frame.ts';

/** Real ones are below 100 bytes, those with all scaling lists below 1,000. */
const MAX_SET_BYTES = 4 * 1024;
/** What all of them may take; who sends more begins again with the newest. */
const MAX_BYTES = 64 * 1024;

interface PictureSet {
  readonly nal: Uint8Array;
  /** The number of the sequence parameter set that it builds on. */
  readonly sps: number;
}

export class ParameterSets {
  readonly #sps = new Map<number, Uint8Array>();
  readonly #pps = new Map<number, PictureSet>();
  /** By the number of the SPS that describes it; of the sets as they are now. */
  readonly #configs = new Map<number, AvcConfig>();
  #latest: AvcConfig | undefined;
  #bytes = 0;

  /** Begins with those of `config`, which stays in force while nothing changes. */
  constructor(config?: AvcConfig) {
    for (const nal of config?.sets ?? []) this.#addIfWhole(nal);
    this.#latest = config;
  }

  /** Takes a parameter set, which is copied; returns false if it was known. Throws MalformedError. */
  add(nal: Uint8Array): boolean {
    if (nal.length > MAX_SET_BYTES) throw new MalformedError('parameter set too long');
    // Most repeat what is known: numbers are read of those only that do not.
    const isSps = nalType(nal) === NAL.sps;
    const known = isSps ? this.#sps.values() : [...this.#pps.values()].map((set) => set.nal);
    for (const one of known) if (equalBytes(one, nal)) return false;
    if (this.#bytes + nal.length > MAX_BYTES) {
      this.#sps.clear();
      this.#pps.clear();
      this.#bytes = 0;
    }
    const copy = new Uint8Array(nal);
    if (isSps) this.#sps.set(parseSps(copy).id, copy);
    else {
      const { id, sps } = parsePpsHead(copy);
      this.#pps.set(id, { nal: copy, sps });
    }
    this.#bytes += copy.length;
    this.#configs.clear();
    this.#latest = undefined;
    return true;
  }

  /**
   * The configuration by which a picture is decoded that begins with `slice`: the same object while nothing
   * changes that a player has to know. Undefined if its parameter sets did not come. Throws MalformedError.
   */
  configFor(slice: Uint8Array): AvcConfig | undefined {
    const number = this.#pps.get(parseSliceHead(slice).pps)?.sps;
    const active = number === undefined ? undefined : this.#sps.get(number);
    if (number === undefined || active === undefined) return undefined;
    if (this.#latest?.sps === active || (this.#latest && equalBytes(this.#latest.sps, active))) {
      return this.#latest;
    }
    let config = this.#configs.get(number);
    if (config === undefined) {
      config = this.#make(number, active);
      this.#configs.set(number, config);
    }
    // Decoders have all sets: to players it matters only that the picture has another shape.
    if (this.#latest === undefined || !looksTheSame(this.#latest, config)) this.#latest = config;
    return this.#latest;
  }

  #make(number: number, active: Uint8Array): AvcConfig {
    const others = [...this.#sps].filter(([id]) => id !== number).map(([, nal]) => nal);
    const inOrder = [...this.#pps].sort(
      ([, a], [, b]) => Number(b.sps === number) - Number(a.sps === number),
    );
    const [first = new Uint8Array(0), ...rest] = inOrder.map(([, { nal }]) => nal);
    return avcConfig([active, ...others], [first, ...rest]);
  }

  #addIfWhole(nal: Uint8Array): void {
    try {
      this.add(nal);
    } catch (error) {
      // What it is good for is for the decoder to tell.
      if (!(error instanceof MalformedError)) throw error;
    }
  }
}

function looksTheSame(a: AvcConfig, b: AvcConfig): boolean {
  return (
    a.width === b.width &&
    a.height === b.height &&
    a.pixelAspect[0] * b.pixelAspect[1] === a.pixelAspect[1] * b.pixelAspect[0]
  );
}

/** The first slice of a picture; undefined if there is none. */
export function firstSlice(nals: readonly Uint8Array[]): Uint8Array | undefined {
  return nals.find((nal) => {
    const type = nalType(nal);
    return type >= NAL.slice && type <= NAL.idr;
  });
}
