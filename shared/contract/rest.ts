// The REST shapes under /api/v1 that other people script against. Addresses are absolute.
import { z } from 'zod';
import { RecordingChoice, RecordingMode } from '../domain/recording.ts';
import { Role } from '../domain/roles.ts';
import { Chapter, ChapterTitle } from './features/chapters.ts';
import { ChannelId, LessonId, LessonTitle, RecordingId } from './ids.ts';
import { PublishLinks } from './publish.ts';
import { Split } from './split.ts';
import { MAX_TOKEN_LENGTH } from './tickets.ts';
import { TrimSpan } from './trim.ts';

export const LessonState = z.enum(['scheduled', 'open', 'live', 'ended']);

/** Whether a class can be watched again: `preparing` while it is recorded or made ready, `none` if nothing was. */
export const ReplayState = z.enum(['none', 'preparing', 'ready']);
export type ReplayState = z.infer<typeof ReplayState>;

export const PlayLinks = z.object({
  hls: z.url(),
  dvr: z.url(),
  flv: z.url(),
  /** The same on the servers that carry it to many (LECTERN_PLAY_ORIGINS), equally good; else `flv` alone. */
  flvs: z.array(z.url()),
  wsFlv: z.url(),
  rtmp: z.url(),
  whep: z.url(),
});
export type PlayLinks = z.infer<typeof PlayLinks>;

export const Lesson = z.object({
  id: LessonId,
  title: z.string(),
  channel: ChannelId,
  state: LessonState,
  /** Whether its broadcasts are recorded. */
  recording: RecordingMode,
  /** Students have to agree to be recorded before they join. */
  asksConsent: z.boolean(),
  /** The files of its recordings are cut so that each plays no longer, and takes no more; null for no limit. */
  ...Split.shape,
  replay: ReplayState,
  /** A picture of its newest recording, as there; null until one can be watched. */
  still: z.url().nullable(),
  createdAtMs: z.number(),
  /** `assistant`: a co-teacher, who may do all that the teacher may but end the class. */
  links: z.object({ teacher: z.url(), assistant: z.url(), student: z.url(), watch: z.url() }),
  play: PlayLinks,
  /** How OBS and other programs publish to it; null once it has ended. */
  publish: PublishLinks.nullable(),
});
export type Lesson = z.infer<typeof Lesson>;

/** `GET /api/v1/lessons?q=`: words that the title has, all of them, in any order. */
export const LessonSearch = z.string().trim().max(200);

/** Without `recording` it is as LECTERN_RECORDING says. */
export const LessonCreate = z.object({ title: LessonTitle, recording: RecordingMode.optional() });
export const LessonPatch = z.object({
  title: LessonTitle.optional(),
  recording: RecordingMode.optional(),
  asksConsent: z.boolean().optional(),
  ...Split.partial().shape,
});
export type LessonPatch = z.infer<typeof LessonPatch>;

/**
 * `POST /api/v1/lessons/:id/recording`: of the broadcast on air. `stop` can be taken back by `start`. How the files are
 * cut holds for later broadcasts of the lesson too.
 */
export const RecordingAction = z.discriminatedUnion('action', [
  Split.partial().extend({ action: z.enum(['start', 'pause', 'resume', 'stop']) }),
  z.object({ action: z.literal('chapter'), title: ChapterTitle.nullable().default(null) }),
]);
export type RecordingAction = z.infer<typeof RecordingAction>;
/** What is so from now on, or which chapter was marked. */
export const RecordingDone = z.union([
  z.object({ recording: RecordingChoice }),
  z.object({ chapter: Chapter }),
]);
export type RecordingDone = z.infer<typeof RecordingDone>;

export const Recording = z.object({
  id: RecordingId,
  lesson: LessonId,
  /** The recording with which its replay begins: those of one class have the same (shared/domain/replay.ts). */
  firstPart: RecordingId,
  /** A name of its own; null where it has that of its class. */
  title: LessonTitle.nullable(),
  state: z.enum(['armed', 'writing', 'paused', 'finalizing', 'ready', 'failed']),
  startedAtMs: z.number(),
  /** How long what is shown of it plays. */
  durationMs: z.number(),
  /** What it takes on disk. */
  bytes: z.number(),
  /** What is shown of it, in ms since 1970; null for all. */
  trim: TrimSpan.nullable(),
  /** No limit deletes it. */
  kept: z.boolean(),
  /** A limit may delete it: when its days are over, or when all take too much. */
  mayGo: z.boolean(),
  /** When its days are over and it is deleted, in ms since 1970; null if they never are. */
  goesAtMs: z.number().nullable(),
  /** The whole of it, and the pieces that each format is cut into. */
  files: z.array(
    z.object({
      format: z.enum(['mp4', 'flv']),
      /** Which piece it is, from 1; null for the whole. */
      piece: z.number().int().nullable(),
      url: z.url(),
      durationMs: z.number(),
      bytes: z.number(),
    }),
  ),
  /** The replay page. */
  replay: z.url(),
  /** The replay's HLS playlist. */
  hls: z.url(),
  /** A picture of it as JPEG, 640 pixels at most; there may be none at that address. Null until it can be watched. */
  still: z.url().nullable(),
});
export type Recording = z.infer<typeof Recording>;
/** A `title` of null is that of its class. */
export const RecordingPatch = z.object({
  kept: z.boolean().optional(),
  title: LessonTitle.nullable().optional(),
  /** Shows what is wholly in this time, of a recording that is ready; null shows all of it again. */
  trim: TrimSpan.nullable().optional(),
});
export type RecordingPatch = z.infer<typeof RecordingPatch>;

/** `GET /api/v1/retention`: how long recordings are kept (null: without end), and which go next, the soonest first. */
export const RetentionView = z.object({
  maxDays: z.number().nullable(),
  maxBytes: z.number().nullable(),
  going: z.array(
    z.object({
      recording: RecordingId,
      lesson: LessonId,
      title: z.string(),
      bytes: z.number(),
      goesAtMs: z.number(),
    }),
  ),
});
export type RetentionView = z.infer<typeof RetentionView>;

/** `POST /api/v1/session`: the owner link's key becomes a cookie. */
export const SessionCreate = z.object({ key: z.string().min(16).max(200) });
/** `GET /api/v1/session`. */
export const Session = z.object({ role: z.enum(['owner', 'anonymous']) });
export type Session = z.infer<typeof Session>;
/** `DELETE /api/v1/sessions`: how many sign-ins were ended. */
export const SessionsEnded = z.object({ ended: z.number().int().nonnegative() });
export type SessionsEnded = z.infer<typeof SessionsEnded>;

/** The `invite` of a link's fragment. Left out or empty: the signed-in owner asks, as a teacher. */
const InviteToken = z.string().max(MAX_TOKEN_LENGTH).default('');

/** `POST /api/v1/lessons/:id/tickets`: an invitation becomes a ticket for the room. */
export const TicketCreate = z.object({
  invite: InviteToken,
  /** An earlier ticket of this tab: with it a reload comes back as the same person. */
  ticket: z.string().max(MAX_TOKEN_LENGTH).optional(),
});
export const TicketIssued = z.object({
  ticket: z.string(),
  role: Role,
  lesson: z.object({ id: LessonId, title: z.string(), state: LessonState }),
  /** For the teacher and assistants: the links to hand out and to play. */
  links: z.object({ student: z.url(), watch: z.url() }).nullable(),
  /** For the teacher: where a page publishes to what it encoded itself (shared/media/publish-frames.ts). */
  publish: z.url().nullable().default(null),
});
export type TicketIssued = z.infer<typeof TicketIssued>;

/** A chapter as the audience knows it: it begins at what was shown at `markedAtMs`. */
const MarkedChapter = z.object({ id: z.string(), title: z.string().nullable(), markedAtMs: z.number() });

/** `POST /api/v1/lessons/:id/playback`: an invitation becomes signed playback addresses. */
export const PlaybackCreate = z.object({ invite: InviteToken });
export const PlaybackIssued = z.object({
  lesson: z.object({ id: LessonId, title: z.string(), state: LessonState }),
  /** Whether the teacher's picture is there; null while nothing is on air. */
  onAir: z.enum(['live', 'interrupted']).nullable(),
  /** How far back from now the broadcast on air begins, in ms of its own time; null while that is not known. */
  seekableMs: z.number().min(0).nullable(),
  /** When it began, in ms since 1970; null while that is not known. */
  startedAtMs: z.number().nullable(),
  /** What was marked in it so far, in the order of time; none while `startedAtMs` is not known. */
  chapters: z.array(MarkedChapter),
  /** The names of those who teach and are in the room. */
  teachers: z.array(z.string()),
  /** How many watched some seconds ago; null while that is not known. */
  watching: z.number().int().nonnegative().nullable(),
  /** To be drawn over the picture; null for nothing. `recordings` have no files then: those have no mark. */
  watermark: z.string().nullable(),
  play: PlayLinks,
  /** `preparing` while another recording is being made ready. */
  replay: ReplayState,
  /** Finished recordings that hold anything, newest first. */
  recordings: z.array(Recording),
});
export type PlaybackIssued = z.infer<typeof PlaybackIssued>;

/** `PUT /api/v1/lessons/:id/watermark`: the text over the picture, `{viewer}` standing for who watches. */
export const WatermarkSet = z.object({ text: z.string().trim().min(1).max(60).nullable() });
export const Watermark = z.object({
  text: z.string().nullable(),
  /** What `{viewer}` is for the address that was asked about. */
  viewer: z.string().nullable(),
});

export type Watermark = z.infer<typeof Watermark>;

/** `POST /api/v1/recordings/:id/playback`: the replay page's own exchange. A replay is of a whole class. */
export const ReplayIssued = z.object({
  /** That of the first part with a name of its own, else that of the class. */
  title: z.string(),
  /** To be drawn over the picture; null for nothing. The audience is offered no files then: they have no mark. */
  watermark: z.string().nullable(),
  /** Whether what was written is shown to them. */
  hasChat: z.boolean(),
  /** Whether they may trim it, hide messages and share it. */
  mayEdit: z.boolean(),
  /** The one that was asked for. */
  recording: Recording,
  /** All that its replay plays, in the order of time; itself alone until it can be watched. */
  parts: z.array(Recording).min(1),
  /** The HLS playlist of all of them, one after the other. */
  hls: z.url(),
});
export type ReplayIssued = z.infer<typeof ReplayIssued>;

/** A place in a chat: a time in ms since 1970, or a message as `<sentAtMs>.<id>`. */
export const ChatCursor = z.string().regex(/^\d{1,15}(\.[A-Za-z0-9_-]{1,64})?$/);
/**
 * `POST /api/v1/recordings/:id/chat`: what was written after a place in its time, or before one; without
 * either, from the start.
 */
export const ReplayChatQuery = z
  .object({
    invite: InviteToken,
    after: ChatCursor.optional(),
    before: ChatCursor.optional(),
  })
  .refine(({ after, before }) => after === undefined || before === undefined, {
    error: 'takes `after` or `before`, not both',
  });
export type ReplayChatQuery = z.infer<typeof ReplayChatQuery>;
export const ReplayMessage = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  text: z.string(),
  sentAtMs: z.number(),
  /** Only the owner gets it: the replay shows it to no one else. */
  hidden: z.boolean(),
});
export type ReplayMessage = z.infer<typeof ReplayMessage>;
/** `PATCH /api/v1/recordings/:id/messages/:message`. */
export const ReplayMessagePatch = z.object({ hidden: z.boolean() });
/** In the order of time. `next` continues in the direction that was asked for; null where nothing follows. */
export const ReplayChatPage = z.object({
  messages: z.array(ReplayMessage),
  next: ChatCursor.nullable(),
});
export type ReplayChatPage = z.infer<typeof ReplayChatPage>;

/** `POST /api/v1/recordings/:id/search`: words that a message or a chapter has, all of them, in any order. */
export const ReplaySearchQuery = z.object({ invite: InviteToken, q: LessonSearch.min(1) });
/** In the order of time; the moment is found by `atMs` as that of a message by `sentAtMs`. */
export const ReplayFound = z.object({
  found: z.array(
    z.object({
      kind: z.enum(['chapter', 'message']),
      id: z.string(),
      /** Who wrote it; null for a chapter. */
      name: z.string().nullable(),
      text: z.string(),
      atMs: z.number(),
    }),
  ),
  /** There are more than are shown. */
  hasMore: z.boolean(),
});
export type ReplayFound = z.infer<typeof ReplayFound>;

/** `POST /api/v1/recordings/:id/chapters`, in the order of time; they belong where a message of `markedAtMs` does. */
export const ReplayChapters = z.object({
  chapters: z.array(MarkedChapter),
});
export type ReplayChapters = z.infer<typeof ReplayChapters>;
export type ReplayChapter = ReplayChapters['chapters'][number];

/** `POST /api/v1/lessons/:id/revoke`. */
export const AccessRevoked = z.object({
  /** Whether the gateway has done it; if not, it does as soon as it answers. */
  applied: z.boolean(),
  play: PlayLinks,
});
export type AccessRevoked = z.infer<typeof AccessRevoked>;

/** `POST /api/v1/lessons/:id/links/:link`: the owner's, or a teacher's with an invitation. */
export const LinkReplace = z.object({ invite: InviteToken });
export const LinkReplaced = z.object({
  /** The new link. */
  url: z.url(),
  /** Whether the room and the gateway have done it; if not, they do as soon as they answer. */
  applied: z.boolean(),
});
export type LinkReplaced = z.infer<typeof LinkReplaced>;

/** `GET /api/v1/lessons/:id/attendance`. */
export const Attendance = z.array(
  z.object({
    peer: z.string(),
    name: z.string(),
    role: Role,
    joinedAtMs: z.number(),
    leftAtMs: z.number().nullable(),
    /** When they agreed to be recorded; null if they were not asked. */
    consentedAtMs: z.number().nullable(),
  }),
);
export type Attendance = z.infer<typeof Attendance>;
