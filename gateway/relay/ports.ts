// What relays need of the rest of the gateway.
import type { FlvTagType } from '#shared/media/flv.ts';
import type { FlvProgramme } from '../flv/programme.ts';

/** What is on air. */
export interface RelaySource {
  /** Undefined while nothing is. */
  programme(channel: string): FlvProgramme | undefined;
}

/** One source that is let into a class. */
export interface RelayIngress {
  /** Takes an FLV tag. Throws MalformedError when nothing makes sense any more. */
  publishTag(type: FlvTagType, timestampMs: number, body: Uint8Array): void;
  /** How far what was taken is ahead of the time that passed, in ms. */
  readonly aheadMs: number;
  /** `lost` has some seconds to come back. */
  end(how: 'finished' | 'lost'): void;
}

export interface IngressAsk {
  readonly channel: string;
  readonly lesson: string;
  readonly title: string;
  /** What its tile is called. */
  readonly name: string;
}

/** Lets a source into a class. Rejects with LecternError; `onRefused` is told when it is thrown out later. */
export type OpenIngress = (ask: IngressAsk, onRefused: (error: Error) => void) => Promise<RelayIngress>;
