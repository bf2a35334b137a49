import type { Generated } from 'kysely';
import type { RecordingState } from '#shared/domain/lifecycle.ts';

declare module '../database/tables.ts' {
  interface Tables {
    recording: {
      id: string;
      lesson: string;
      channel: string;
      state: RecordingState;
      startedAtMs: number;
      /** When it stopped being written; null until then. */
      endedAtMs: number | null;
      durationMs: number;
      bytes: number;
      /** When it was deleted. The row stays, so that a late event does not bring it back. */
      erasedAtMs: number | null;
      /** 1 for what no limit deletes. */
      isKept: Generated<0 | 1>;
      /** Null where it has that of its class. */
      title: Generated<string | null>;
      /** A `Trim` as JSON; null where all of it is shown. */
      trim: Generated<string | null>;
      /** The pieces its files are cut into, as JSON; null where they are not. */
      pieces: Generated<string | null>;
    };
    /** Links to one replay. */
    share: {
      id: string;
      recording: string;
      createdAtMs: number;
      /** Null for one that is good until it is ended. */
      expiresAtMs: number | null;
      /** When it was ended. The row stays until addresses made by it are over. */
      endedAtMs: number | null;
      files: 0 | 1;
      chat: 0 | 1;
    };
  }
}
