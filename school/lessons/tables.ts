import type { Generated } from 'kysely';
import type { LessonState } from '#shared/domain/lifecycle.ts';
import type { RecordingMode } from '#shared/domain/recording.ts';
import type { Role } from '#shared/domain/roles.ts';

declare module '../database/tables.ts' {
  interface Tables {
    lesson: {
      id: string;
      title: string;
      /** The title as the search compares it. */
      titleFolded: Generated<string>;
      channel: string;
      state: LessonState;
      createdAtMs: number;
      /** Grows with each change that the gateway has to know of; in ms since 1970. */
      settingsVersion: Generated<number>;
      /** Counts the stream keys that were replaced. */
      publishVersion: Generated<number>;
      /** Counts the revocations of playback addresses. */
      accessEpoch: Generated<number>;
      /** Count how often each link was replaced. */
      teacherLink: Generated<number>;
      assistantLink: Generated<number>;
      studentLink: Generated<number>;
      watchLink: Generated<number>;
      recordingMode: Generated<RecordingMode>;
      /** How files of its recordings are cut; null for no limit. */
      splitMs: number | null;
      splitBytes: number | null;
      /** Whether students are asked to agree to be recorded. */
      asksConsent: Generated<0 | 1>;
      /** A `LessonAccess` as JSON; null for a lesson without rules of its own. */
      access: string | null;
    };
    attendance: {
      id: Generated<number>;
      lesson: string;
      peer: string;
      name: string;
      role: Role;
      joinedAtMs: number;
      leftAtMs: number | null;
      /** When they agreed to be recorded, if they were asked. */
      consentedAtMs: number | null;
    };
    chat: {
      lesson: string;
      message: string;
      peer: string;
      name: string;
      role: Role;
      text: string;
      sentAtMs: number;
      /** Left out of the replay for all but the owner. */
      isHidden: Generated<0 | 1>;
    };
    chapter: {
      lesson: string;
      chapter: string;
      /** The broadcast it was marked in: its recording has the same id. */
      broadcast: string;
      title: string | null;
      markedAtMs: number;
    };
    /** What the audience is told besides the addresses; lessons without a row have neither. */
    watching: { lesson: string; watermark: string | null; interrupted: 0 | 1 };
  }
}
